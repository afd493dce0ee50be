//! Who may do what: roles, what an action needs, and the tokens that carry roles.

mod role;
mod token;

pub(crate) use role::{Need, Role, allows};
pub(crate) use token::{Standing, Token, TokenName, TokenRecord};
