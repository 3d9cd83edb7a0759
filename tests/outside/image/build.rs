//! Links the image.

fn main() {
    switchboard_link::image();
}
