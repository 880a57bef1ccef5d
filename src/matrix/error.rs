//! The standard error answer: a status, an `errcode`, a sentence (SS-API, "Standard error response").

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use serde_json::{Value, json};

/// An error that a server answers with: always JSON with `errcode` and `error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {errcode}: {message}")]
pub struct MatrixError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The `errcode`, such as `M_NOT_FOUND`.
    pub errcode: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The version of the room, where the asker can't deal with that.
    pub room_version: Option<String>,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $errcode:literal;)*) => {
        $($(#[$doc])*
        pub fn $name(message: impl Into<String>) -> Self {
            Self { status: StatusCode::$status, errcode: $errcode, message: message.into(), room_version: None }
        })*
    };
}

impl MatrixError {
    errors! {
        /// 400: a parameter that is required is missing.
        missing_param = BAD_REQUEST, "M_MISSING_PARAM";
        /// 400: a parameter has a value that can't be used.
        invalid_param = BAD_REQUEST, "M_INVALID_PARAM";
        /// 400: JSON, but not of the shape that is asked for.
        bad_json = BAD_REQUEST, "M_BAD_JSON";
        /// 400: not JSON.
        not_json = BAD_REQUEST, "M_NOT_JSON";
        /// 400: the joining server does not support the room's version.
        incompatible_room_version = BAD_REQUEST, "M_INCOMPATIBLE_ROOM_VERSION";
        /// 400: this server can't tell whether a restricted join is allowed.
        unable_to_authorise_join = BAD_REQUEST, "M_UNABLE_TO_AUTHORISE_JOIN";
        /// 401: the request is not signed, or not by whom it says.
        unauthorized = UNAUTHORIZED, "M_UNAUTHORIZED";
        /// 403: the asking server may not.
        forbidden = FORBIDDEN, "M_FORBIDDEN";
        /// 404: unknown event, or unknown to those who ask.
        not_found = NOT_FOUND, "M_NOT_FOUND";
        /// 404: no such path.
        unrecognized_path = NOT_FOUND, "M_UNRECOGNIZED";
        /// 405: no such method on this path.
        unrecognized_method = METHOD_NOT_ALLOWED, "M_UNRECOGNIZED";
        /// 413: a body that is larger than this server reads.
        too_large = PAYLOAD_TOO_LARGE, "M_TOO_LARGE";
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body = json!({ "errcode": self.errcode, "error": self.message });
        if let Some(version) = &self.room_version {
            body["room_version"] = version.as_str().into();
        }
        body
    }

    /// The same, which says what version the room is of (SS-API, `/make_join`).
    #[must_use]
    pub fn of_version(self, version: &str) -> Self {
        Self { room_version: Some(version.to_owned()), ..self }
    }

    /// The answer.
    pub fn response(&self) -> Response<Bytes> {
        json_response(self.status, &self.body())
    }
}

/// An answer with a JSON body.
///
/// # Panics
///
/// If the body can't be written as JSON.
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(body).expect("answers are JSON");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
