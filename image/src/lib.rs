//! The image.
