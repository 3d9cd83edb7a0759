//! Browsers without a window.

use std::fs;

use crate::Lan;

const CHROMIUM: &str = "chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=4000";

#[test]
fn chromium_shows_the_page() {
    let Some(lan) = Lan::start("chromium", &["chromium"], "") else { return };
    let page = lan.run(&format!("{CHROMIUM} --dump-dom http://10.9.0.2/"));
    for shown in ["virtio-net", "10.9.0.2/24", "msix"] {
        assert!(page.contains(shown), "{shown} is missing: {page}");
    }
}

#[test]
fn firefox_shows_the_page() {
    let Some(lan) = Lan::start("firefox", &["firefox-esr"], "") else { return };
    let picture = lan.folder.join("page.png");
    lan.run(&format!("firefox-esr --headless --screenshot {} http://10.9.0.2/", picture.display()));
    assert!(fs::metadata(picture).expect("a picture").len() > 10_000);
}
