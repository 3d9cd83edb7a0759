//! Methods of requests (RFC 9110, 9).

use core::fmt;

/// The method of a request.
///
/// ```
/// use switchboard_http::Method;
///
/// assert_eq!(Method::parse("GET"), Method::Get);
/// assert_eq!(Method::parse("get"), Method::Other, "methods are case-sensitive");
/// assert_eq!(Method::Put.as_str(), "PUT");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Method {
    /// GET (RFC 9110, 9.3.1).
    Get,
    /// HEAD (RFC 9110, 9.3.2): as GET, without the body of the response.
    Head,
    /// POST (RFC 9110, 9.3.3).
    Post,
    /// PUT (RFC 9110, 9.3.4).
    Put,
    /// PATCH (RFC 5789).
    Patch,
    /// DELETE (RFC 9110, 9.3.5).
    Delete,
    /// OPTIONS (RFC 9110, 9.3.7).
    Options,
    /// CONNECT (RFC 9110, 9.3.6), which is for proxies.
    Connect,
    /// TRACE (RFC 9110, 9.3.8).
    Trace,
    /// Any other method, whose name is [`Request::method_name`](crate::Request::method_name).
    Other,
}

impl Method {
    const ALL: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Connect,
        Self::Trace,
    ];

    /// Returns the method of a name, which is case-sensitive.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "CONNECT" => Self::Connect,
            "TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// Returns the name; `"OTHER"` for [`Other`](Self::Other).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Other => "OTHER",
        }
    }
}

/// A set of methods, as the Allow header lists them.
///
/// ```
/// use switchboard_http::{Method, Methods};
///
/// let methods = Methods::READ.with(Method::Post);
/// assert!(methods.contains(Method::Head) && !methods.contains(Method::Put));
/// assert_eq!(methods.to_string(), "GET, HEAD, POST, OPTIONS");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods(u16);

impl Methods {
    /// OPTIONS alone, which the server answers by itself.
    pub const NONE: Self = Self(0).with(Method::Options);
    /// GET, HEAD and OPTIONS.
    pub const READ: Self = Self::NONE.with(Method::Get).with(Method::Head);
    /// All methods but CONNECT and TRACE.
    pub const ALL: Self = Self::READ.with(Method::Post).with(Method::Put).with(Method::Patch).with(Method::Delete);

    /// Returns the set with one more method.
    #[must_use]
    pub const fn with(self, method: Method) -> Self {
        Self(self.0 | 1 << method as u8)
    }

    /// Returns the methods of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the method is in the set.
    #[must_use]
    pub const fn contains(self, method: Method) -> bool {
        self.0 & 1 << method as u8 != 0
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for method in Method::ALL.into_iter().filter(|method| self.contains(*method)) {
            write!(f, "{separator}{}", method.as_str())?;
            separator = ", ";
        }
        Ok(())
    }
}
