//! Git through libgit2: first commits, clones, and which commit a folder is at.
