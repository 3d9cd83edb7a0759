//! Links the image: a static ELF of our own layout, without the host's start files and C library.

fn main() {
    switchboard_link::image();
}
