//! Every model holds, and fails with each of its planted bugs.

use std::env;
use std::process::Command;

use switchboard_loom::each_model;
use switchboard_loom::planted::{PLANTED, VARIABLE};

/// Sees each bug of the model `name` caught: by the test that it holds, in a process of its own, which loom may abort when
/// threads of a failed model are left.
fn catches(name: &str) {
    let mut bugs = PLANTED.iter().filter(|planted| planted.model == name).peekable();
    assert!(bugs.peek().is_some(), "{name} has no planted bug");
    for planted in bugs {
        let this = env::current_exe().expect("the path of this program");
        let run = Command::new(this).args(["--exact", &format!("holds::{name}")]).env(VARIABLE, planted.name).output();
        let run = run.expect("a test can run itself");
        let text = [run.stdout, run.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(!run.status.success(), "not caught: {}\n{text}", planted.bug);
        assert!(text.contains(planted.message), "{}: not caught by {:?}\n{text}", planted.bug, planted.message);
        println!("caught: {}", planted.bug);
    }
}

macro_rules! tests {
    ($($area:ident: $($model:ident),+;)+) => {
        const MODELS: &[&str] = &[$($(concat!(stringify!($area), "::", stringify!($model))),+),+];

        mod holds {
            $(mod $area {
                use switchboard_loom::models::{self, $area};

                $(#[test]
                fn $model() {
                    models::check($area::$model, $area::PREEMPTIONS);
                })+
            })+
        }

        mod catches {
            $(mod $area {
                $(#[test]
                fn $model() {
                    crate::catches(concat!(stringify!($area), "::", stringify!($model)));
                })+
            })+
        }
    };
}
each_model!(tests);

#[test]
fn every_planted_bug_has_a_model() {
    let lost = PLANTED.iter().find(|planted| !MODELS.contains(&planted.model));
    assert!(lost.is_none(), "no such model: {lost:?}");
}
