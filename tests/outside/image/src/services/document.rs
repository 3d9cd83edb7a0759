//! A document that is read and replaced under conditions, and read in parts.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::cell::{Cell, RefCell};

use switchboard_http::{
    Conditions, Precondition, RangeSelection, Response, State, StatusCode, TEXT, Validators, content_range,
};

use crate::app::Shared;

/// A text, and how often it was replaced.
#[derive(Default)]
pub(crate) struct Document {
    text: RefCell<String>,
    version: Cell<u32>,
}

impl Document {
    fn validators(&self) -> Validators {
        Validators { etag: Some(Cow::Owned(format!("\"v{}\"", self.version.get()))), modified_seconds: None }
    }
}

const CHANGED: Response = Response::text(StatusCode::PRECONDITION_FAILED, "it is another version\n");

/// Returns the document, or a part of it.
pub(crate) fn read(State(shared): State<Shared>, conditions: Conditions) -> Response {
    let (text, validators) = (shared.document.text.borrow(), shared.document.validators());
    match conditions.check(&validators) {
        Precondition::Holds => {}
        Precondition::NotModified => return validators.not_modified(),
        Precondition::Failed => return CHANGED,
    }
    let size = text.len() as u64;
    let response = match conditions.select(&validators, size) {
        RangeSelection::Unsatisfiable => return RangeSelection::unsatisfiable(size),
        RangeSelection::Part(range) => {
            let part = text.bytes().skip(range.start as usize).take((range.end - range.start) as usize);
            Response::new(StatusCode::PARTIAL_CONTENT, TEXT, part.collect::<alloc::vec::Vec<u8>>())
                .with_header("Content-Range", content_range(&range, size))
        }
        // A server may answer several ranges with the whole (RFC 9110, 14.2).
        RangeSelection::Whole | RangeSelection::Parts(_) => Response::new(StatusCode::OK, TEXT, text.as_bytes()),
    };
    validators.apply(response)
}

/// Replaces the document, if it is the version that the client has read.
pub(crate) async fn replace(State(shared): State<Shared>, conditions: Conditions, text: String) -> Response {
    let document = &shared.document;
    if conditions.check(&document.validators()) != Precondition::Holds {
        return CHANGED;
    }
    document.text.replace(text);
    document.version.set(document.version.get() + 1);
    document.validators().apply(Response::empty(StatusCode::NO_CONTENT))
}

/// Empties the document, if it is the version that the client has read.
pub(crate) fn remove(State(shared): State<Shared>, conditions: Conditions) -> Response {
    let document = &shared.document;
    if conditions.check(&document.validators()) != Precondition::Holds {
        return CHANGED;
    }
    document.text.take();
    document.version.set(document.version.get() + 1);
    Response::empty(StatusCode::NO_CONTENT)
}
