//! Training: the loop and its events, learners, optimisers, checkpoints, runs and the lock.
//!
//! Nothing here prints or speaks to a registry: whoever calls listens to [`Event`]s.

pub(crate) mod adamw;
pub(crate) mod blend;
mod boosting;
pub(crate) mod checkpoint;
pub(crate) mod classification;
pub(crate) mod course;
pub(crate) mod deadline;
mod diverged;
pub(crate) mod estimator;
pub(crate) mod event;
pub(crate) mod fit;
pub(crate) mod forecasting;
pub(crate) mod learner;
pub(crate) mod ranking;
pub(crate) mod lock;
pub(crate) mod run;
pub(crate) mod schedule;
mod logistic;
mod order;
mod rows;
pub(crate) mod settings;
pub(crate) mod tensorboard;
#[cfg(test)]
mod tabular_tests;

pub(crate) use event::Event;
pub(crate) use settings::TrainSettings;
