//! Directories of the host that a device shares, with any driver, which may be removed while they are in use.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use switchboard_drivers::interfaces::share::{Exchange, ShareDevice, ShareError, ShareLimits};

use crate::devices::{DeviceClass, DeviceOptions, FromDriver};

/// A handle to a shared directory: the device class of drivers that carry messages to a file server of the host.
///
/// Handles are reference-counted. Tasks that exchange messages at the same time take turns.
///
/// ```
/// # use core::task::{Context, Poll};
/// # use switchboard_drivers::interfaces::share::{Exchange, ShareDevice, ShareLimits};
/// use embassy_futures::block_on;
/// use switchboard_drivers::interfaces::share::ShareError;
/// use switchboard_runtime::devices::{DeviceClass, DeviceOptions, FromDriver};
/// use switchboard_runtime::share::Share;
///
/// # struct Mirror;
/// # impl ShareDevice for Mirror {
/// #     fn tag(&self) -> &str {
/// #         "mirror"
/// #     }
/// #     fn limits(&self) -> ShareLimits {
/// #         ShareLimits { request_bytes: 64, reply_bytes: 64 }
/// #     }
/// #     fn poll_exchange(
/// #         &self, _: &mut Exchange, request: &[u8], take: &mut dyn FnMut(&[u8]), _: &mut Context<'_>,
/// #     ) -> Poll<Result<(), ShareError>> {
/// #         take(request);
/// #         Poll::Ready(Ok(()))
/// #     }
/// #     fn close(&self) {}
/// # }
/// // A device that returns each request.
/// let share = Share::from_driver(Mirror, DeviceOptions::default());
/// let mut reply = Vec::new();
/// block_on(share.exchange(b"hello", |bytes| reply.extend_from_slice(bytes)))?;
/// assert_eq!((share.tag().as_str(), reply.as_slice()), ("mirror", b"hello".as_slice()));
///
/// let user = share.clone();
/// block_on(DeviceClass::close(share));
/// assert_eq!(block_on(user.exchange(b"hello", |_| {})), Err(ShareError::Gone));
/// # Ok::<_, ShareError>(())
/// ```
#[derive(Clone)]
pub struct Share(Rc<Inner>);

struct Inner {
    driver: RefCell<Option<Box<dyn ShareDevice>>>,
    /// Held during an exchange, of which the device carries out one at a time.
    turn: Mutex<NoopRawMutex, ()>,
}

impl Share {
    /// Returns the name that the host gave the share; empty after its removal.
    #[must_use]
    pub fn tag(&self) -> String {
        self.0.driver.borrow().as_ref().map_or_else(String::new, |driver| driver.tag().into())
    }

    /// Returns the sizes of the largest messages; `None` after its removal.
    #[must_use]
    pub fn limits(&self) -> Option<ShareLimits> {
        self.0.driver.borrow().as_ref().map(|driver| driver.limits())
    }

    /// Sends a request, and passes the reply to `take` where the device has put it. The future may be dropped.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn exchange(&self, request: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), ShareError> {
        let _turn = self.0.turn.lock().await;
        let mut exchange = Exchange::default();
        poll_fn(|context| match &*self.0.driver.borrow() {
            Some(driver) => driver.poll_exchange(&mut exchange, request, &mut take, context),
            None => Poll::Ready(Err(ShareError::Gone)),
        })
        .await
    }
}

impl<D: ShareDevice + 'static> FromDriver<D> for Share {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        let driver: Box<dyn ShareDevice> = Box::new(driver);
        Self(Rc::new(Inner { driver: RefCell::new(Some(driver)), turn: Mutex::new(()) }))
    }
}

impl DeviceClass for Share {
    /// Drops the driver, and wakes the task that waits for it; all exchanges fail with [`ShareError::Gone`].
    async fn close(self) {
        let driver = self.0.driver.take();
        driver.inspect(|driver| driver.close());
    }
}

/// Two handles are equal when they refer to the same share.
impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Share").field(&self.tag()).finish()
    }
}
