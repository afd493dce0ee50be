//! All integration tests, in one binary so that linking stays quick.

mod architecture;
mod bad_inputs;
mod cli;
mod cutting;
mod guarded;
mod install;
mod mlflow_clients;
mod journal;
mod mlflow_servers;
mod pretend;
mod proxy;
mod road;
mod served;
mod real_data;
mod support;
