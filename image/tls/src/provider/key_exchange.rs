//! Key exchange: X25519 (RFC 7748) and ECDH on the curves P-256 and P-384.

use alloc::boxed::Box;
use alloc::vec::Vec;

use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use switchboard_runtime::entropy::SystemRng;

/// The groups, in order of preference.
pub(super) static ALL: [&dyn SupportedKxGroup; 3] = [&X25519, &P256, &P384];

/// The error of a peer's key that is not of the group.
const INVALID_KEY: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

#[derive(Debug)]
struct X25519;

/// A key of ours that a peer's key is awaited for.
struct X25519Exchange {
    secret: x25519_dalek::EphemeralSecret,
    public: x25519_dalek::PublicKey,
}

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = x25519_dalek::EphemeralSecret::random_from_rng(&mut SystemRng);
        let public = (&secret).into();
        Ok(Box::new(X25519Exchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for X25519Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer: [u8; 32] = peer.try_into().map_err(|_| INVALID_KEY)?;
        let shared = self.secret.diffie_hellman(&peer.into());
        // A key of small order gives the same secret with every key of ours (RFC 8446, 7.4.2).
        if !shared.was_contributory() {
            return Err(INVALID_KEY);
        }
        Ok(SharedSecret::from(&shared.as_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// Defines ECDH on one curve.
macro_rules! ecdh {
    ($curve:ident, $exchange:ident, $krate:ident, $group:expr) => {
        #[derive(Debug)]
        struct $curve;

        /// A key of ours that a peer's key is awaited for.
        struct $exchange {
            secret: $krate::ecdh::EphemeralSecret,
            /// The point, uncompressed.
            public: Vec<u8>,
        }

        impl SupportedKxGroup for $curve {
            fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
                use $krate::elliptic_curve::Generate;
                use $krate::elliptic_curve::sec1::ToSec1Point;
                let secret = $krate::ecdh::EphemeralSecret::generate_from_rng(&mut SystemRng);
                let public = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
                Ok(Box::new($exchange { secret, public }))
            }

            fn name(&self) -> NamedGroup {
                $group
            }
        }

        impl ActiveKeyExchange for $exchange {
            fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
                // Only uncompressed points are allowed (RFC 8446, 4.2.8.2).
                if peer.first() != Some(&4) {
                    return Err(INVALID_KEY);
                }
                let peer = $krate::PublicKey::from_sec1_bytes(peer).map_err(|_| INVALID_KEY)?;
                Ok(SharedSecret::from(&self.secret.diffie_hellman(&peer).raw_secret_bytes()[..]))
            }

            fn pub_key(&self) -> &[u8] {
                &self.public
            }

            fn group(&self) -> NamedGroup {
                $group
            }
        }
    };
}

ecdh!(P256, P256Exchange, p256, NamedGroup::secp256r1);
ecdh!(P384, P384Exchange, p384, NamedGroup::secp384r1);
