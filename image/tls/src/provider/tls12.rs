//! The records of TLS 1.2: with AES-GCM (RFC 5288) and ChaCha20-Poly1305 (RFC 7905).

use alloc::boxed::Box;
use core::marker::PhantomData;

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter,
    NONCE_LEN, Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls12AeadAlgorithm,
    UnsupportedOperationError, make_tls12_aad,
};
use rustls::{ConnectionTrafficSecrets, Error};

use super::aead::{TAG_BYTES, TlsCipher};

/// The longest text of a record (RFC 5246, 6.2.1).
const MAX_TEXT_BYTES: usize = 1 << 14;

/// The records by a cipher.
///
/// With AES-GCM a nonce has 4 bytes of the key block, and 8 that are sent with each record; with ChaCha20-Poly1305 all
/// 12 are of the key block, and the sequence number is added as in TLS 1.3.
pub(super) struct Records<C> {
    key_bytes: usize,
    sent_nonce_bytes: usize,
    cipher: PhantomData<C>,
}

impl<C> Records<C> {
    /// Makes the records of a cipher with so many bytes of key, of whose nonce so many are sent.
    pub(super) const fn new(key_bytes: usize, sent_nonce_bytes: usize) -> Self {
        Self { key_bytes, sent_nonce_bytes, cipher: PhantomData }
    }

    /// Returns the first nonce, of two parts of the key block. The second is random, and is counted up from, so that no
    /// nonce comes twice.
    fn iv(&self, fixed: &[u8], extra: &[u8]) -> Iv {
        let mut iv = [0; NONCE_LEN];
        iv.iter_mut().zip(fixed.iter().chain(extra)).for_each(|(byte, part)| *byte = *part);
        Iv::new(iv)
    }
}

/// One direction of a connection.
struct Direction<C> {
    cipher: C,
    iv: Iv,
    sent_nonce_bytes: usize,
}

impl<C: TlsCipher> Tls12AeadAlgorithm for Records<C> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        let (cipher, iv) = (C::with_key(key.as_ref()), self.iv(iv, extra));
        Box::new(Direction { cipher, iv, sent_nonce_bytes: self.sent_nonce_bytes })
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        let (cipher, iv) = (C::with_key(key.as_ref()), self.iv(iv, &[]));
        Box::new(Direction { cipher, iv, sent_nonce_bytes: self.sent_nonce_bytes })
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape {
            enc_key_len: self.key_bytes,
            fixed_iv_len: NONCE_LEN - self.sent_nonce_bytes,
            explicit_nonce_len: self.sent_nonce_bytes,
        }
    }

    fn extract_keys(
        &self,
        _key: AeadKey,
        _iv: &[u8],
        _explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

impl<C: TlsCipher> MessageEncrypter for Direction<C> {
    fn encrypt(&mut self, message: OutboundPlainMessage<'_>, sequence: u64) -> Result<OutboundOpaqueMessage, Error> {
        let text_bytes = message.payload.len();
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(text_bytes));
        let nonce = Nonce::new(&self.iv, sequence).0;
        payload.extend_from_slice(&nonce[NONCE_LEN - self.sent_nonce_bytes..]);
        payload.extend_from_chunks(&message.payload);
        let additional = make_tls12_aad(sequence, message.typ, message.version, text_bytes);
        let text = &mut payload.as_mut()[self.sent_nonce_bytes..];
        let tag = self.cipher.seal(nonce, &additional, text).ok_or(Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(message.typ, message.version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.sent_nonce_bytes + payload_len + TAG_BYTES
    }
}

impl<C: TlsCipher> MessageDecrypter for Direction<C> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let sent = self.sent_nonce_bytes;
        let (typ, version) = (message.typ, message.version);
        let text_bytes = message.payload.len().checked_sub(sent + TAG_BYTES).ok_or(Error::DecryptError)?;
        if text_bytes > MAX_TEXT_BYTES {
            return Err(Error::PeerSentOversizedRecord);
        }
        let mut nonce = Nonce::new(&self.iv, sequence).0;
        if sent > 0 {
            nonce[NONCE_LEN - sent..].copy_from_slice(&message.payload[..sent]);
        }
        let additional = make_tls12_aad(sequence, typ, version, text_bytes);
        self.cipher.open(nonce, &additional, &mut message.payload[sent..]).ok_or(Error::DecryptError)?;
        Ok(message.into_plain_message_range(sent..sent + text_bytes))
    }
}
