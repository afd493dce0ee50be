//! Templates into a new project.
//!
//! A [`Template`] is files in memory, ours or a team's; [`render()`] turns it into the files of
//! one project, as a [`Context`] describes it; [`place`] puts them on disk, all or none.

pub(crate) mod builtin;
pub(crate) mod own_data;
pub(crate) mod own_files;
pub(crate) mod place;
pub(crate) mod team;

mod context;
mod generate;
mod render;
mod template;

pub(crate) use context::{ColumnNote, Context, DataContext, GateContext, ProjectContext};
pub(crate) use own_data::OwnData;
pub(crate) use render::render;
pub(crate) use template::{Content, ProjectFile, Template, TemplateFile, Variable};
