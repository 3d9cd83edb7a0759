//! SHA-256 and SHA-384.

use alloc::boxed::Box;
use core::marker::PhantomData;

use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use sha2::{Digest, Sha256, Sha384};

/// SHA-256.
pub(super) static SHA256: Sha<Sha256> = Sha { algorithm: HashAlgorithm::SHA256, digest: PhantomData };
/// SHA-384.
pub(super) static SHA384: Sha<Sha384> = Sha { algorithm: HashAlgorithm::SHA384, digest: PhantomData };

/// A hash function of the SHA-2 family.
pub(super) struct Sha<D> {
    algorithm: HashAlgorithm,
    digest: PhantomData<D>,
}

/// What has been hashed so far.
struct Running<D>(D);

impl<D: Digest + Clone + Send + Sync + 'static> Hash for Sha<D> {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Running(D::new()))
    }

    fn hash(&self, data: &[u8]) -> Output {
        Output::new(&D::digest(data))
    }

    fn output_len(&self) -> usize {
        <D as Digest>::output_size()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }
}

impl<D: Digest + Clone + Send + Sync + 'static> Context for Running<D> {
    fn fork_finish(&self) -> Output {
        Output::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> Output {
        Output::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}
