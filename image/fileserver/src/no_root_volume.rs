//! What stands for [`root_volume`](self) without the feature `root`: no volume is written.

use alloc::rc::Rc;
use core::cell::Cell;

use switchboard_runtime::command_line::RootName;
use switchboard_runtime::say;

use crate::mounted::Mounted;
use crate::root::{RootError, RootFiles};
use crate::volumes::Volumes;

/// The number of a device of its class.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "no volume is looked for")]
pub(crate) enum Place {
    Disk(usize),
    Share(usize),
}

/// The name of the volume that would be written.
#[derive(Debug, Default)]
pub(crate) struct RootVolume {
    name: Cell<Option<RootName<'static>>>,
}

impl RootVolume {
    pub(crate) fn set_name(&self, name: Option<RootName<'static>>) {
        self.name.set(name);
        if name.is_some() {
            say!("files: root= has no effect: {}", RootError::NotBuilt);
        }
    }

    pub(crate) fn is_it(&self, _: &Rc<Mounted>) -> bool {
        false
    }

    pub(crate) fn forget_removed(&self, _: &[Rc<Mounted>]) {}

    #[expect(clippy::unused_async, reason = "the same interface as with the feature")]
    pub(crate) async fn offer(&self, _: Place, mounted: Mounted) -> Rc<Mounted> {
        Rc::new(mounted)
    }
}

impl Volumes {
    /// Returns why no volume is written.
    #[expect(clippy::unused_async, reason = "the same interface as with the feature")]
    pub(crate) async fn root(&self) -> Result<RootFiles, RootError> {
        Err(if self.root.name.get().is_some() { RootError::NotBuilt } else { RootError::NotNamed })
    }
}
