//! The models, and the bugs that they catch.

mod event;
mod mask;
mod slot;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::env;
use std::process::Command;

use crate::planted::PLANTED;
use crate::{MOVED, PLANT};

/// Runs a model in all orders, or in those with so many preemptions: almost all bugs need two.
fn check(model: fn(), preemptions: Option<usize>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} ways to run", runs.load(Ordering::Relaxed));
}

/// Plants each bug that the model called `name` must catch, and sees it caught by the test called `test`: in a process
/// of its own, which loom may abort when threads of a failed model are left.
fn catches(name: &str, test: &str) {
    for (index, planted) in PLANTED.iter().enumerate().filter(|(_, planted)| planted.caught.0 == name) {
        let this = env::current_exe().expect("a test knows its program");
        let run = Command::new(this).args(["--exact", test]).env(PLANT, index.to_string()).output();
        let run = run.expect("a test can run itself");
        let text = [run.stdout, run.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(!run.status.success(), "not caught: {}\n{text}", planted.bug);
        assert!(text.contains(planted.caught.1), "{}: not caught by {:?}\n{text}", planted.bug, planted.caught.1);
        println!("caught: {}", planted.bug);
    }
}

/// Tests for models, with their bound on preemptions: that each holds, and that each catches its bugs.
macro_rules! models {
    ($area:literal, $preemptions:expr; $($model:ident),+ $(,)?) => {
        pub(super) const MODELS: &[&str] = &[$(concat!($area, "::", stringify!($model))),+];

        mod holds {
            $(#[test]
            fn $model() {
                crate::models::check(super::$model, $preemptions);
            })+
        }

        mod catches {
            $(#[test]
            fn $model() {
                let model = concat!($area, "::", stringify!($model));
                crate::models::catches(model, concat!("models::", $area, "::holds::", stringify!($model)));
            })+
        }
    };
}
use models;

#[test]
fn the_source_is_where_the_models_expect_it() {
    assert!(MOVED.is_empty(), "planted.rs or build.rs must follow the framework: {MOVED:#?}");
}

#[test]
fn every_planted_bug_has_a_model_and_every_model_a_bug() {
    let models = [event::MODELS, mask::MODELS, slot::MODELS].concat();
    for planted in PLANTED {
        assert!(models.contains(&planted.caught.0), "{} is no model", planted.caught.0);
    }
    for model in models {
        assert!(PLANTED.iter().any(|planted| planted.caught.0 == model), "{model} has no planted bug");
    }
}
