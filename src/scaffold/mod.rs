//! Templates into a new project.
