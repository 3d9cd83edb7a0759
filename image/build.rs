//! Links the image: a static ELF with its own layout, without the host's start files and C library.

fn main() {
    switchboard_link::image();
}
