//! Registered models and their versions, through MLflow's routes.

use std::collections::BTreeMap;

use http::Method;

use super::journal::JOURNAL_TAG;
use super::request::Remote;
use crate::api::mlflow::{
    CreateModelVersion, CreateRegisteredModel, DownloadUri, Empty, KeyValue, ModelKeyValue,
    ModelVersion, ModelVersionReply, ModelVersions, RegisteredModel, RegisteredModelName,
    RegisteredModelReply, RegisteredModels, VersionIdentity, code,
};
use crate::error::{Error, Result, closest};
use crate::registry::{ModelName, VersionNumber, journal};

pub(super) const ROUTES: &str = "/api/2.0/mlflow";
/// What one page asks for; plain MLflow servers allow no more for models.
const PAGE: &str = "1000";

/// A registered model. Its name is a text: other clients may have made names that ours are not.
#[derive(Clone, Debug)]
pub(crate) struct ModelRecord {
    pub name: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub latest: Option<VersionNumber>,
    /// The latest version is yanked.
    pub latest_yanked: bool,
    /// Environments and what is live in each.
    pub environments: BTreeMap<String, VersionNumber>,
    pub tags: BTreeMap<String, String>,
}

/// A version as the registry holds it.
#[derive(Clone, Debug)]
pub(crate) struct VersionRecord {
    pub version: VersionNumber,
    pub created_ms: i64,
    pub actor: String,
    /// The registry's own id of the run, not mlx's.
    pub run_id: String,
    pub environments: Vec<String>,
    pub tags: BTreeMap<String, String>,
}

impl VersionRecord {
    pub(crate) const DIGEST: &'static str = "mlx.package_digest";
    pub(crate) const PROJECT: &'static str = "mlx.project_id";
    pub(crate) const RUN: &'static str = "mlx.run_id";
    /// Why a version is yanked; one that isn't has no such tag.
    pub(crate) const YANKED: &'static str = "mlx.yanked";
    /// Who registered it, on a server that doesn't say.
    pub(super) const ACTOR: &'static str = "mlx.actor";

    /// The package's digest; absent where mlx did not make the version.
    pub(crate) fn digest(&self) -> Option<&str> {
        self.tags.get(Self::DIGEST).map(String::as_str)
    }

    /// Why it is yanked; `None`: it isn't.
    pub(crate) fn yanked(&self) -> Option<&str> {
        self.tags.get(Self::YANKED).map(String::as_str)
    }
}

impl Remote {
    /// Every registered model, by name. The journals of a plain MLflow server's models are none.
    pub(crate) async fn models(&self) -> Result<Vec<ModelRecord>> {
        let mut models = self.models_and_journals().await?;
        models.retain(|model| !model.tags.contains_key(JOURNAL_TAG));
        Ok(models)
    }

    /// The models that have a journal.
    pub(crate) async fn journaled(&self) -> Result<Vec<ModelName>> {
        let models = self.models_and_journals().await?;
        let of = |model: &ModelRecord| model.tags.get(JOURNAL_TAG)?.parse().ok();
        Ok(models.iter().filter_map(of).collect())
    }

    async fn models_and_journals(&self) -> Result<Vec<ModelRecord>> {
        let mut models = Vec::new();
        let mut page_token = None;
        loop {
            let mut query = vec![("max_results", PAGE.to_owned())];
            query.extend(page_token.map(|token| ("page_token", token)));
            let page: RegisteredModels =
                self.get(format!("{ROUTES}/registered-models/search"), query).await?;
            models.extend(page.registered_models.into_iter().map(ModelRecord::from));
            page_token = page.next_page_token.filter(|token| !token.is_empty());
            if page_token.is_none() {
                models.sort_by(|a: &ModelRecord, b| a.name.cmp(&b.name));
                return Ok(models);
            }
        }
    }

    pub(crate) async fn find_model(&self, name: &ModelName) -> Result<Option<ModelRecord>> {
        let query = vec![("name", name.to_string())];
        let reply: Result<RegisteredModelReply, _> =
            self.get(format!("{ROUTES}/registered-models/get"), query).await;
        match reply {
            Ok(reply) => Ok(Some(reply.registered_model.into())),
            Err(failure) if failure.is_absent() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(crate) async fn model(&self, name: &ModelName) -> Result<ModelRecord> {
        match self.find_model(name).await? {
            Some(model) => Ok(model),
            None => Err(self.no_model(name).await),
        }
    }

    /// Make a model; false where another client was first.
    pub(crate) async fn create_model(&self, name: &ModelName, tags: Vec<KeyValue>) -> Result<bool> {
        if name.as_str().ends_with(journal::SUFFIX) {
            return Err(Error::user(format!("`{name}` is the name of a model's history")).hint(
                format!("names that end with `{}` are taken; choose another", journal::SUFFIX),
            ));
        }
        let body = CreateRegisteredModel { name: name.to_string(), tags, description: None };
        let reply: Result<RegisteredModelReply, _> =
            self.post(format!("{ROUTES}/registered-models/create"), &body).await;
        match reply {
            Ok(_) => Ok(true),
            Err(failure) if failure.is(code::ALREADY_EXISTS) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(crate) async fn set_model_tag(
        &self,
        name: &ModelName,
        key: &str,
        value: &str,
    ) -> Result<()> {
        let body = ModelKeyValue { name: name.to_string(), key: key.into(), value: value.into() };
        let path = format!("{ROUTES}/registered-models/set-tag");
        let _: Empty = self.send_json(Method::POST, path, &body, true).await?;
        Ok(())
    }

    /// Every version of a model, newest first.
    pub(crate) async fn versions(&self, name: &ModelName) -> Result<Vec<VersionRecord>> {
        let mut versions = Vec::new();
        let mut page_token = None;
        loop {
            let mut query =
                vec![("filter", format!("name='{name}'")), ("max_results", PAGE.to_owned())];
            query.extend(page_token.map(|token| ("page_token", token)));
            let page: ModelVersions =
                self.get(format!("{ROUTES}/model-versions/search"), query).await?;
            for version in page.model_versions {
                versions.push(VersionRecord::try_from(version)?);
            }
            page_token = page.next_page_token.filter(|token| !token.is_empty());
            if page_token.is_none() {
                versions.sort_by_key(|record: &VersionRecord| std::cmp::Reverse(record.version));
                return Ok(versions);
            }
        }
    }

    pub(crate) async fn version(
        &self,
        name: &ModelName,
        version: VersionNumber,
    ) -> Result<VersionRecord> {
        let query = vec![("name", name.to_string()), ("version", version.to_string())];
        let reply: Result<ModelVersionReply, _> =
            self.get(format!("{ROUTES}/model-versions/get"), query).await;
        match reply {
            Ok(reply) => reply.model_version.try_into(),
            Err(failure) if failure.is_absent() => Err(self.no_version(name, version).await),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(crate) async fn create_version(
        &self,
        request: &CreateModelVersion,
    ) -> Result<VersionRecord> {
        let path = format!("{ROUTES}/model-versions/create");
        let reply: ModelVersionReply = self.post(path, request).await?;
        reply.model_version.try_into()
    }

    /// Where a version's files are; the only way to learn it that holds for every server.
    pub(crate) async fn download_uri(
        &self,
        name: &ModelName,
        version: VersionNumber,
    ) -> Result<String> {
        let query = vec![("name", name.to_string()), ("version", version.to_string())];
        let reply: DownloadUri =
            self.get(format!("{ROUTES}/model-versions/get-download-uri"), query).await?;
        Ok(reply.artifact_uri)
    }

    pub(crate) async fn delete_version(
        &self,
        name: &ModelName,
        version: VersionNumber,
    ) -> Result<()> {
        let body = VersionIdentity { name: name.to_string(), version: version.to_string() };
        let path = format!("{ROUTES}/model-versions/delete");
        let _: Empty = self.send_json(Method::DELETE, path, &body, false).await?;
        Ok(())
    }

    /// Delete a model with its versions, and its history with it: another model of this name would
    /// start again at version 1, of which the history tells something else.
    pub(crate) async fn delete_model(&self, name: &ModelName) -> Result<()> {
        let path = || format!("{ROUTES}/registered-models/delete");
        let body = RegisteredModelName { name: name.to_string() };
        let _: Empty = self.send_json(Method::DELETE, path(), &body, false).await?;
        if self.is_plain().await? {
            let body = RegisteredModelName { name: journal::name_of(name) };
            let reply: Result<Empty, _> =
                self.send_json(Method::DELETE, path(), &body, false).await;
            match reply {
                Err(failure) if !failure.is_absent() => return Err(failure.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The error for a model that is not there, with the closest name that is.
    pub(crate) async fn no_model(&self, name: &ModelName) -> Error {
        let error = Error::user(format!("no model `{name}` in {}", self.address()));
        let known = match self.models().await {
            Ok(known) => known,
            Err(error) => return error,
        };
        if known.is_empty() {
            return error.hint("the registry is empty; register a run: `mlx register`");
        }
        match closest(name.as_str(), known.iter().map(|model| model.name.as_str())) {
            Some(close) => error.hint(format!("did you mean `{close}`?")),
            None => error.hint("see what is there: `mlx models list`"),
        }
    }

    /// The error for a version that is not there, with what is.
    pub(crate) async fn no_version(&self, name: &ModelName, version: VersionNumber) -> Error {
        let model = match self.model(name).await {
            Ok(model) => model,
            Err(error) => return error,
        };
        let error = Error::user(format!("`{name}` has no version {version}"));
        match model.latest {
            Some(latest) => error
                .hint(format!("the latest is {latest}; see all of them: `mlx models show {name}`")),
            None => error.hint("it has no versions yet; register a run: `mlx register`"),
        }
    }
}

impl From<RegisteredModel> for ModelRecord {
    fn from(model: RegisteredModel) -> Self {
        let number = |text: &str| text.parse::<VersionNumber>().ok();
        let latest = model
            .latest_versions
            .iter()
            .filter_map(|version| Some((number(&version.version)?, version)))
            .max_by_key(|(number, _)| *number);
        let yanked = |version: &ModelVersion| {
            version.tags.iter().any(|tag| tag.key == VersionRecord::YANKED)
        };
        Self {
            latest: latest.map(|(number, _)| number),
            latest_yanked: latest.is_some_and(|(_, version)| yanked(version)),
            environments: model
                .aliases
                .into_iter()
                .filter_map(|alias| Some((alias.alias, number(&alias.version)?)))
                .collect(),
            tags: tags(model.tags),
            name: model.name,
            created_ms: model.creation_timestamp,
            updated_ms: model.last_updated_timestamp,
        }
    }
}

impl TryFrom<ModelVersion> for VersionRecord {
    type Error = Error;

    fn try_from(version: ModelVersion) -> Result<Self> {
        let tags = tags(version.tags);
        let mut actor = version.user_id;
        if actor.is_empty() {
            actor = tags.get(Self::ACTOR).cloned().unwrap_or_default();
        }
        Ok(Self {
            version: version.version.parse()?,
            created_ms: version.creation_timestamp,
            actor,
            run_id: version.run_id,
            environments: version.aliases,
            tags,
        })
    }
}

pub(super) fn tags(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key, pair.value)).collect()
}
