//! What is known of a run.

use rusqlite::Row;

use super::repositories::RepositoryId;

/// The number of a run on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// What asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// A branch moved.
    Push,
    /// A tag came.
    Tag,
    /// A pull request was opened or changed.
    PullRequest,
    /// A merge queue asks.
    MergeQueue,
    /// Somebody asked for it.
    Manual,
    /// It was time.
    Schedule,
}

impl RunKind {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Tag => "tag",
            Self::PullRequest => "pull_request",
            Self::MergeQueue => "merge_queue",
            Self::Manual => "manual",
            Self::Schedule => "schedule",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Push,
            Self::Tag,
            Self::PullRequest,
            Self::MergeQueue,
            Self::Manual,
            Self::Schedule,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// A webhook asked for it; nothing was looked at.
    Taken,
    /// It waits until somebody approves it.
    Approval,
    /// It waits for its turn.
    Queued,
    /// It goes on.
    Running,
    /// It is over.
    Finished,
}

impl RunState {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Approval => "approval",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Taken,
            Self::Approval,
            Self::Queued,
            Self::Running,
            Self::Finished,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// How far what a run builds is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its author may write to the repository.
    Trusted,
    /// Somebody who may write has approved this commit.
    Approved,
    /// Neither; the server builds it all the same.
    Stranger,
}

impl Trust {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Approved => "approved",
            Self::Stranger => "stranger",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Trusted, Self::Approved, Self::Stranger]
            .into_iter()
            .find(|trust| trust.as_str() == text)
    }
}

/// How the reason begins for which a run is ended that what it builds is elsewhere by now.
pub const OUT_OF_DATE: &str = "out of date:";

/// What is known of a run when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The repository.
    pub repository: RepositoryId,
    /// What asked for it.
    pub kind: RunKind,
    /// The full ref.
    pub git_ref: String,
    /// The commit that statuses go to.
    pub commit: String,
    /// Of a pull request or merge queue the full ref it goes into.
    pub base_ref: Option<String>,
    /// The number of the pull request.
    pub pull_request: Option<i64>,
    /// A line for people: of a commit's message or a pull request.
    pub title: String,
    /// Who caused it, for people.
    pub actor: String,
    /// The forge's id and the name of who wrote what is built, where that decides on trust.
    pub author: Option<(String, String)>,
    /// Why it was asked for, where somebody said so.
    pub reason: Option<String>,
}

impl NewRun {
    /// A run of which no more is known than where a ref is.
    pub fn of_ref(
        repository: RepositoryId,
        kind: RunKind,
        git_ref: String,
        commit: String,
    ) -> Self {
        Self {
            repository,
            kind,
            git_ref,
            commit,
            base_ref: None,
            pull_request: None,
            title: String::new(),
            actor: String::new(),
            author: None,
            reason: None,
        }
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// What was known when it was asked for.
    pub new: NewRun,
    /// What is evaluated.
    pub tested_commit: Option<String>,
    /// Its tree.
    pub tree: Option<String>,
    /// The commit of the branch that a pull request or merge queue goes into.
    pub base_commit: Option<String>,
    /// Whether its commit is built for itself: its ref was elsewhere, or gone.
    pub for_itself: bool,
    /// How far it is.
    pub state: RunState,
    /// How far it is trusted, once that was asked.
    pub trust: Option<Trust>,
    /// How often it began.
    pub attempt: u32,
    /// How often it was tried again because the machine was at fault.
    pub retries: u32,
    /// How it ended: `passed`, `failed`, `cancelled`, `errored`.
    pub outcome: Option<String>,
    /// Why, where that is not because of its checks.
    pub error: Option<String>,
    /// How many checks ended how, as JSON.
    pub counts: Option<String>,
    /// How many checks it has.
    pub checks: Option<i64>,
    /// The run whose result was taken over.
    pub reused_from: Option<RunId>,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at: i64,
    /// When it began.
    pub started_at: Option<i64>,
    /// When its evaluation was over.
    pub evaluated_at: Option<i64>,
    /// When it was over.
    pub finished_at: Option<i64>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunEnd {
    /// `passed`, `failed`, `cancelled` or `errored`.
    pub outcome: String,
    /// Why, where that is not because of its checks.
    pub error: Option<String>,
    /// How many checks ended how, as JSON.
    pub counts: Option<String>,
    /// How many checks there were.
    pub checks: Option<i64>,
    /// The run whose result was taken over.
    pub reused_from: Option<RunId>,
}

impl RunEnd {
    /// A run that ends without a result, for this reason.
    pub fn cancelled(why: &str) -> Self {
        Self {
            outcome: "cancelled".to_owned(),
            ..Self::errored(why)
        }
    }

    /// A run that failed as a whole, for this reason, which lies in what was committed.
    pub fn failed(why: &str) -> Self {
        Self {
            outcome: "failed".to_owned(),
            ..Self::errored(why)
        }
    }

    /// A run that could not be carried out, for this reason.
    pub fn errored(why: &str) -> Self {
        Self {
            outcome: "errored".to_owned(),
            error: Some(why.to_owned()),
            ..Self::default()
        }
    }
}

/// What `of_row` reads.
pub(super) const COLUMNS: &str = "id, repository, kind, git_ref, commit_id, base_ref, pull_request, title, actor, author_id, author,
    reason, tested_commit, tree, base_commit, state, trust, attempt, outcome, error, counts, checks, reused_from,
    created_at, started_at, evaluated_at, finished_at, for_itself, retries";

pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    let text = |column: usize| row.get::<_, String>(column);
    let author_id: Option<String> = row.get(9)?;
    let author: Option<String> = row.get(10)?;
    let trust: Option<String> = row.get(16)?;
    Ok(Run {
        id: RunId(row.get(0)?),
        new: NewRun {
            repository: RepositoryId(row.get(1)?),
            kind: RunKind::parse(&text(2)?).unwrap_or(RunKind::Manual),
            git_ref: text(3)?,
            commit: text(4)?,
            base_ref: row.get(5)?,
            pull_request: row.get(6)?,
            title: text(7)?,
            actor: text(8)?,
            author: author_id.zip(author),
            reason: row.get(11)?,
        },
        tested_commit: row.get(12)?,
        tree: row.get(13)?,
        base_commit: row.get(14)?,
        state: RunState::parse(&text(15)?).unwrap_or(RunState::Finished),
        trust: trust.as_deref().and_then(Trust::parse),
        attempt: row.get(17)?,
        outcome: row.get(18)?,
        error: row.get(19)?,
        counts: row.get(20)?,
        checks: row.get(21)?,
        reused_from: row.get::<_, Option<_>>(22)?.map(RunId),
        created_at: row.get(23)?,
        started_at: row.get(24)?,
        evaluated_at: row.get(25)?,
        finished_at: row.get(26)?,
        for_itself: row.get(27)?,
        retries: row.get(28)?,
    })
}

/// What a run evaluates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The commit: of a pull request, its head merged with its base.
    pub commit: String,
    /// The tree of the commit.
    pub tree: String,
    /// The commit of the base.
    pub base_commit: Option<String>,
    /// All else that decides the result.
    pub settings: String,
    /// The first line of the commit's message, where there is no title yet.
    pub title: String,
}
