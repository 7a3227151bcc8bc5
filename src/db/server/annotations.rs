//! The places in a repository's files that check runs point at.

use rusqlite::{Connection, params};

use super::{
    database::{DbError, ServerDb},
    run::RunId,
};

/// Which check run of a run has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPart {
    /// That of its evaluation.
    Evaluation,
    /// That of its build.
    Build,
}

impl RunPart {
    fn as_str(self) -> &'static str {
        match self {
            Self::Evaluation => "eval",
            Self::Build => "build",
        }
    }
}

/// Something about a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationRow {
    /// The file, from the top of the repository.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// Whether nothing fails by it.
    pub allowed: bool,
    /// What it is.
    pub title: String,
    /// What there is to say.
    pub message: String,
}

impl ServerDb {
    /// Sets the places that a check run of a run points at.
    pub async fn annotate(
        &self,
        run: RunId,
        part: RunPart,
        mut rows: Vec<AnnotationRow>,
    ) -> Result<(), DbError> {
        self.clean(
            rows.iter_mut()
                .flat_map(|row| [&mut row.title, &mut row.message]),
        );
        self.write(move |connection| {
            connection
                .prepare_cached("DELETE FROM annotations WHERE run = ?1 AND part = ?2")?
                .execute(params![run.0, part.as_str()])?;
            let mut insert = connection.prepare_cached(
                "INSERT INTO annotations (run, part, number, file, line, allowed, title, message)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for (number, row) in rows.iter().enumerate() {
                insert.execute(params![
                    run.0,
                    part.as_str(),
                    number,
                    row.file,
                    row.line,
                    row.allowed,
                    row.title,
                    row.message
                ])?;
            }
            Ok(())
        })
        .await
    }

    /// The places that a check run of a run points at.
    pub async fn annotations_of(
        &self,
        run: RunId,
        part: RunPart,
    ) -> Result<Vec<AnnotationRow>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT file, line, allowed, title, message FROM annotations WHERE run = ?1 AND part = ?2
                     ORDER BY number",
                )?
                .query_map(params![run.0, part.as_str()], |row| {
                    Ok(AnnotationRow {
                        file: row.get(0)?,
                        line: row.get(1)?,
                        allowed: row.get(2)?,
                        title: row.get(3)?,
                        message: row.get(4)?,
                    })
                })?
                .collect()
        })
        .await
    }
}

/// Forgets the places of an attempt that was cut short.
pub(super) fn forget_annotations(connection: &Connection, run: RunId) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM annotations WHERE run = ?1", [run.0])?;
    Ok(())
}
