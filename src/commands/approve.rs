//! `mlx approve`: a second pair of eyes on a promotion that somebody asked for.

use super::registry_client;
use crate::api::mlx::AnswerRequest;
use crate::cli::Globals;
use crate::cli::approve::ApproveArgs;
use crate::error::{Error, ExitCode, Result};
use crate::outcome::approve::{ApproveListOutcome, ApproveOutcome};
use crate::registry::Request;
use crate::registry::request::Status;
use crate::remote::{Remote, RequestFilter};
use crate::settings::approve::{ApproveSettings, Which};
use crate::settings::{self, RegistrySettings};
use crate::sys::random;
use crate::ui::Ui;

pub(crate) async fn approve(globals: &Globals, args: &ApproveArgs, ui: &Ui) -> Result<ExitCode> {
    if args.list {
        let project = settings::find_project(globals, &[])?;
        return ui.answer(&list(&RegistrySettings::new(globals, project.as_ref())?).await?);
    }
    ui.answer(&answer(&ApproveSettings::new(globals, args)?).await?)
}

async fn list(registry: &RegistrySettings) -> Result<ApproveListOutcome> {
    let remote = registry_client::open(registry).await?;
    let requests = remote.requests(&RequestFilter::open()).await?;
    Ok(ApproveListOutcome { registry: remote.address().to_owned(), requests })
}

async fn answer(settings: &ApproveSettings) -> Result<ApproveOutcome> {
    let remote = registry_client::open(&settings.registry).await?;
    let request = find(&remote, &settings.which).await?;
    let body = AnswerRequest {
        operation_id: random::hex_id(16),
        reason: settings.reason.clone(),
        actor: Some(settings.registry.actor.clone()),
    };
    let reply = remote.answer_request(&request, settings.answer, &body).await?;
    Ok(ApproveOutcome {
        answer: settings.answer,
        request: reply.request,
        needed: reply.needed,
        counted: reply.counted,
        event: reply.event,
    })
}

/// The request that is meant: the open one, or the last that was.
async fn find(remote: &Remote, which: &Which) -> Result<Request> {
    let (filter, what) = match which {
        Which::Id(id) => (RequestFilter::default(), format!("request `{id}`")),
        Which::Of { model, version, environment } => (
            RequestFilter {
                model: Some(model.clone()),
                environment: Some(environment.clone()),
                status: None,
            },
            format!("request of {model}/{version} for {environment}"),
        ),
    };
    let meant = |request: &Request| match which {
        Which::Id(id) => request.id.starts_with(id),
        Which::Of { version, .. } => request.version == *version,
    };
    let mut found: Vec<Request> =
        remote.requests(&filter).await?.into_iter().filter(|request| meant(request)).collect();
    let open = |request: &Request| request.status == Status::Open;
    if found.iter().any(open) {
        found.retain(open);
    }
    if let (Which::Id(id), true) = (which, found.len() > 1) {
        let names: Vec<String> =
            found.iter().map(|request| format!("{} ({})", request.id, request.what())).collect();
        return Err(Error::usage(format!("`{id}` is the start of {}", names.join(" and of ")))
            .hint("write more of the id"));
    }
    // The last that was asked.
    found.pop().ok_or_else(|| {
        Error::user(format!("there is no {what}"))
            .hint("see what waits: `mlx approve --list`; ask for one: `mlx promote NAME/VERSION --to ENV --request`")
    })
}
