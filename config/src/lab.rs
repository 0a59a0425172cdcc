//! The section `[lab]`: what only a test laboratory wants.

use crate::schema::{Section, Visitor, live};

/// The section `[lab]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lab {
    /// Whether clients may use the control codes by which an outside test suite disturbs the server,
    /// some of them without having logged on.
    pub enabled: bool,
}

impl Section for Lab {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(live("enabled"), &mut self.enabled);
    }
}
