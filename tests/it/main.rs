//! All integration tests, in one binary so that linking stays quick.

mod architecture;
mod bad_inputs;
mod cli;
mod cutting;
mod guarded;
mod install;
mod mlflow_clients;
mod pretend;
mod road;
mod served;
mod real_data;
mod support;
