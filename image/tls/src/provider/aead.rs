//! Authenticated encryption: AES-GCM and ChaCha20-Poly1305.

use alloc::vec::Vec;

use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, consts};
use rustls::crypto::cipher::NONCE_LEN;
use switchboard_runtime::entropy;

pub(super) use aes_gcm::{Aes128Gcm, Aes256Gcm};
pub(super) use chacha20poly1305::ChaCha20Poly1305;

/// Bytes of the tag of each cipher here.
pub(super) const TAG_BYTES: usize = 16;

/// A cipher as TLS uses them: a nonce of 12 bytes, a tag of 16.
pub(super) trait TlsCipher:
    AeadInOut + AeadCore<NonceSize = consts::U12, TagSize = consts::U16> + KeyInit + Send + Sync + 'static
{
    /// Makes a cipher of a key, whose length rustls takes from this provider.
    ///
    /// # Panics
    /// Panics for a key of another length.
    fn with_key(key: &[u8]) -> Self {
        Self::new_from_slice(key).expect("the key has the length that the suite declares")
    }

    /// Encrypts in place, and returns the tag; `None` if the text is too long for the cipher.
    fn seal(&self, nonce: [u8; NONCE_LEN], additional: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        Some(self.encrypt_inout_detached(&nonce.into(), additional, text.into()).ok()?.into())
    }

    /// Decrypts in place, where the last 16 bytes are the tag, and returns the length of the text; `None` if it was
    /// changed, or is too short.
    fn open(&self, nonce: [u8; NONCE_LEN], additional: &[u8], text: &mut [u8]) -> Option<usize> {
        let (text, tag) = text.split_last_chunk_mut::<TAG_BYTES>()?;
        let length = text.len();
        self.decrypt_inout_detached(&nonce.into(), additional, text.into(), &(*tag).into()).ok()?;
        Some(length)
    }
}

impl<C> TlsCipher for C where
    C: AeadInOut + AeadCore<NonceSize = consts::U12, TagSize = consts::U16> + KeyInit + Send + Sync + 'static
{
}

/// The cipher of session tickets: text of ours that a client keeps.
pub(crate) struct TicketCipher(ChaCha20Poly1305);

impl TicketCipher {
    /// Makes a cipher with a new key.
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        entropy::fill(&mut key);
        Self(ChaCha20Poly1305::with_key(&key))
    }

    /// Encrypts a text: the nonce, the text, the tag.
    pub(crate) fn seal(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        // Of 96 random bits, two are equal after 2^48 tickets; a key has less than a day.
        entropy::fill(&mut nonce);
        let mut sealed = Vec::new();
        sealed.try_reserve_exact(NONCE_LEN + text.len() + TAG_BYTES).ok()?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let tag = self.0.seal(nonce, &[], sealed.get_mut(NONCE_LEN..)?)?;
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }

    /// Decrypts a text; `None` if this key did not make it.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let length = self.0.open(*nonce, &[], &mut text)?;
        text.truncate(length);
        Some(text)
    }
}
