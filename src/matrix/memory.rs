//! What one run has found out about events and signatures, so that whoever looks at the run afterwards
//! needn't find it out again.

use std::rc::Rc;

use super::{
    crypto::{Crypto, Scheme},
    reader::EventReader,
};

/// The memories of a run, shared by all who take part in it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Signatures.
    pub crypto: Rc<Crypto>,
    /// Events.
    pub reader: Rc<EventReader>,
}

impl Memory {
    /// Of a run that has not begun.
    pub fn new(scheme: Scheme) -> Self {
        Self { crypto: Rc::new(Crypto::new(scheme)), reader: Rc::default() }
    }

    /// The same for servers that hand their requests to each other in memory ([`Crypto::vouching`]).
    pub fn vouching(scheme: Scheme) -> Self {
        Self { crypto: Rc::new(Crypto::new(scheme).vouching()), reader: Rc::default() }
    }
}
