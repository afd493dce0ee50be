//! What environments ask of those who move them, and promotions that wait for approval.

use http::Method;

use super::failure::Failure;
use super::lifecycle::ROUTES;
use super::request::{Remote, segment};
use crate::api::mlflow::code;
use crate::api::mlx::{
    AnswerRequest, AskRequest, CONFLICT, EnvironmentReply, EnvironmentsReply, PolicyReply,
    RequestReply, RequestsReply, RevisionReply, SetPolicyRequest,
};
use crate::error::{Error, ExitCode, Result};
use crate::registry::policy::{Revision, Summary};
use crate::registry::request::{Answer, Status};
use crate::registry::{EnvironmentName, ModelName, Request};

/// Which requests; none of a kind: all.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestFilter {
    pub status: Option<Status>,
    pub model: Option<ModelName>,
    pub environment: Option<EnvironmentName>,
}

impl RequestFilter {
    pub(crate) fn open() -> Self {
        Self { status: Some(Status::Open), ..Self::default() }
    }
}

impl Remote {
    /// The policy that an environment holds for a model. A plain MLflow server keeps none.
    pub(crate) async fn policy(
        &self,
        model: &ModelName,
        environment: &EnvironmentName,
    ) -> Result<Option<Revision>> {
        if self.is_plain().await? {
            return Ok(None);
        }
        let (model, environment) = (segment(model.as_str()), segment(environment.as_str()));
        let path = format!("{ROUTES}/models/{model}/environments/{environment}/policy");
        Ok(self.get::<PolicyReply>(path, vec![]).await?.policy)
    }

    pub(crate) async fn environments(&self) -> Result<Vec<Summary>> {
        self.keeps_policies().await?;
        let reply = self.get::<EnvironmentsReply>(format!("{ROUTES}/environments"), vec![]).await;
        Ok(reply?.environments)
    }

    pub(crate) async fn environment(
        &self,
        environment: &EnvironmentName,
    ) -> Result<EnvironmentReply> {
        self.keeps_policies().await?;
        let path = format!("{ROUTES}/environments/{}", segment(environment.as_str()));
        Ok(self.get(path, vec![]).await?)
    }

    /// Change or remove a policy, if it is still what the request was made from.
    pub(crate) async fn set_policy(
        &self,
        environment: &EnvironmentName,
        request: &SetPolicyRequest,
    ) -> Result<Revision> {
        let path = format!("{ROUTES}/environments/{}/policy", segment(environment.as_str()));
        let reply: Result<RevisionReply, _> =
            self.send_json(Method::PUT, path, request, true).await;
        match reply {
            Ok(reply) => Ok(reply.revision),
            Err(Failure::Refused(refusal)) if refusal.error_code == CONFLICT => {
                Err(Error::conflict(refusal.message)
                    .hint(format!("look at `mlx env show {environment}`, then decide again")))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Ask for a promotion that others have to approve.
    pub(crate) async fn ask(
        &self,
        model: &ModelName,
        request: &AskRequest,
    ) -> Result<RequestReply> {
        let path = format!("{ROUTES}/models/{}/requests", segment(model.as_str()));
        let reply = self.send_json(Method::POST, path, request, true).await;
        reply.map_err(|failure| refused(failure, &request.environment))
    }

    /// Requests, oldest first.
    pub(crate) async fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>> {
        self.keeps_policies().await?;
        let mut query = Vec::new();
        query.extend(filter.status.map(|status| ("status", status.name().to_owned())));
        query.extend(filter.model.as_ref().map(|model| ("model", model.to_string())));
        query.extend(filter.environment.as_ref().map(|name| ("environment", name.to_string())));
        let reply = self.get::<RequestsReply>(format!("{ROUTES}/requests"), query).await;
        Ok(reply?.requests)
    }

    /// Approve, reject or withdraw a request.
    pub(crate) async fn answer_request(
        &self,
        request: &Request,
        answer: Answer,
        body: &AnswerRequest,
    ) -> Result<RequestReply> {
        let path = format!("{ROUTES}/requests/{}/{}", segment(&request.id), answer.name());
        let reply = self.send_json(Method::POST, path, body, true).await;
        reply.map_err(|failure| refused(failure, &request.environment))
    }

    /// A plain MLflow server keeps no policies and no requests.
    async fn keeps_policies(&self) -> Result<()> {
        if self.is_plain().await? {
            return Err(Error::user(format!(
                "{} is a plain MLflow server, which keeps no policies of environments and no requests",
                self.address()
            ))
            .hint("`mlx registry serve` does; `mlx registry status` says what holds here"));
        }
        Ok(())
    }
}

/// What a refused move, or one that is asked for, means.
pub(super) fn refused(failure: Failure, environment: &EnvironmentName) -> Error {
    match failure {
            Failure::Refused(refusal) if refusal.error_code == CONFLICT => {
                Error::conflict(refusal.message)
                    .hint(format!("see what is live and what waits: `mlx env show {environment}`"))
            }
            Failure::Refused(refusal) if refusal.error_code == code::PERMISSION_DENIED => {
                Error::new(ExitCode::NotAllowed, refusal.message)
                    .hint(format!(
                    "see what {environment} asks for: `mlx env show {environment}`, and as whom you ask: `mlx doctor`"
                ))
            }
            failure => failure.into(),
    }
}
