//! What of the model is shown where: which rows, which columns, how wide.
//!
//! Pure. Rows keep the order of their names whatever becomes of them, so that none jumps about, unless someone asks for
//! another order; what does not fit is chosen by how pressing it is.

use super::{
    Size,
    model::{CLASSES, Class, Model, Row},
};
use crate::report::sanitize::columns;

/// How wide a cell is at least: a sign, a space, and the longest word that is usual there.
const CELL_COLUMNS: usize = 12;
/// How wide a cell gets where there is room.
const CELL_COLUMNS_MAX: usize = 30;
/// The columns between two cells.
pub(super) const GAP: usize = 2;
/// The columns in front of a row's name.
pub(super) const MARGIN: usize = 3;
/// How narrow a column of names may get before other columns are left out.
const NAME_COLUMNS_MIN: usize = 12;
/// How many running steps are shown.
const STEPS_MAX: usize = 8;

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// By name, so that none jumps about.
    #[default]
    Name,
    /// What failed first, then what runs, what waits, the rest.
    Failures,
    /// What has been running the longest first, then as [`Self::Failures`].
    Longest,
}

impl Sort {
    /// The order that comes after this one.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Name => Self::Failures,
            Self::Failures => Self::Longest,
            Self::Longest => Self::Name,
        }
    }

    /// What is said of it where it is not the usual one.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "",
            Self::Failures => "failures first",
            Self::Longest => "longest first",
        }
    }
}

/// How the cells of a row are shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cells {
    /// There is one system: its sign in front of the name, what there is to say behind it.
    List,
    /// A column for each of these systems, with its number and width, and one for the rest if there is any.
    Columns {
        shown: Vec<(usize, usize)>,
        hidden: Vec<usize>,
    },
    /// There is no room: signs alone, for as many systems as fit.
    Signs(Vec<usize>),
}

/// What is shown where.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    /// Whether there is a line with the title.
    pub has_header: bool,
    /// How the cells are shown.
    pub cells: Cells,
    /// How wide the names may be.
    pub name_columns: usize,
    /// The rows that are shown.
    pub rows: Vec<&'a Row>,
    /// How many rows of each class are not, by its number; they get a line if there are any.
    pub folded: [usize; CLASSES],
    /// How many lines the running steps have.
    pub step_lines: usize,
}

impl<'a> Layout<'a> {
    /// Lays out the whole block, with the running steps and the status line.
    pub(super) fn of_block(model: &'a Model, size: Size, sort: Sort) -> Self {
        let has_header = size.lines >= 3;
        let room = size.lines.saturating_sub(1 + usize::from(has_header));
        let wanted = model.reserved.max(model.running.len()).min(STEPS_MAX);
        // Rows that all fit leave the rest to the steps; else they share.
        let step_lines = wanted.min((room / 2).max(room.saturating_sub(model.row_count())));
        let mut layout = Self::new(model, size, has_header, room - step_lines, step_lines);
        order(&mut layout.rows, model, sort);
        layout
    }

    /// Lays out the matrix alone.
    pub(super) fn of_result(model: &'a Model, size: Size) -> Self {
        let has_header = size.lines >= 2;
        let room = size.lines.saturating_sub(usize::from(has_header));
        Self::new(model, size, has_header, room, 0)
    }

    fn new(
        model: &'a Model,
        size: Size,
        has_header: bool,
        row_lines: usize,
        step_lines: usize,
    ) -> Self {
        let (cells, name_columns) = cells(model, size.columns);
        let (rows, folded) = choose_rows(model, row_lines);
        Self {
            has_header,
            cells,
            name_columns,
            rows,
            folded,
            step_lines,
        }
    }
}

/// Puts the rows that are shown in order; they come in that of their names.
fn order(rows: &mut [&Row], model: &Model, sort: Sort) {
    let class = |row: &Row| Class::ALL.iter().position(|class| *class == row.class);
    match sort {
        Sort::Name => {}
        Sort::Failures => rows.sort_by_key(|row| class(row)),
        Sort::Longest => rows.sort_by_cached_key(|row| {
            let started = model
                .checks_of(row)
                .filter_map(|check| model.blocker(check))
                .map(|step| step.started)
                .min();
            (started.is_none(), started, class(row))
        }),
    }
}

/// How the cells are shown, and how wide the names may be.
fn cells(model: &Model, width: usize) -> (Cells, usize) {
    let systems = model.columns();
    if systems.len() <= 1 {
        let room = width.saturating_sub(MARGIN + GAP + CELL_COLUMNS);
        return (Cells::List, model.name_columns.min(room.max(width / 2)));
    }
    let title = columns(&model.title) + columns(&model.revision) + GAP;
    let wanted = model.name_columns.max(title.min(width / 2));
    let names = wanted.min(NAME_COLUMNS_MIN.max(width * 2 / 5));
    let fitting = |mut room: usize| {
        let with_width = systems.iter().map(|at| {
            let name = columns(model.systems[*at].as_str());
            (*at, name.clamp(CELL_COLUMNS, CELL_COLUMNS * 2))
        });
        let fits = |(_, cell): &(usize, usize)| {
            let fits = cell + GAP <= room;
            room = room.saturating_sub(cell + GAP);
            fits
        };
        with_width.take_while(fits).collect::<Vec<_>>()
    };
    let mut room = width.saturating_sub(MARGIN + names);
    let mut shown = fitting(room);
    if shown.len() < systems.len() {
        // The others share a column.
        room = room.saturating_sub(GAP + CELL_COLUMNS);
        shown = fitting(room);
    }
    if shown.is_empty() {
        let room = width.saturating_sub(MARGIN + GAP * systems.len());
        let names = wanted.min(room.max(width / 2));
        let signs = width.saturating_sub(MARGIN + names) / GAP;
        return (
            Cells::Signs(systems.into_iter().take(signs).collect()),
            names,
        );
    }
    let used: usize = shown.iter().map(|(_, cell)| cell + GAP).sum();
    let hidden = systems[shown.len()..].to_vec();
    let names = wanted.min(names + room.saturating_sub(used));
    // What is left is for what checks wait for.
    let left = width.saturating_sub(MARGIN + names + used);
    if hidden.is_empty() {
        let more = left / shown.len();
        for (_, cell) in &mut shown {
            *cell = (*cell).max(CELL_COLUMNS_MAX.min(*cell + more));
        }
    }
    (Cells::Columns { shown, hidden }, names)
}

/// The rows for so many lines, and how many of each class are left; those have a line among them if there are any.
fn choose_rows(model: &Model, lines: usize) -> (Vec<&Row>, [usize; CLASSES]) {
    let mut folded = [0; CLASSES];
    let mut quota = model.rows_by_class;
    if model.row_count() > lines {
        let mut room = lines.saturating_sub(1);
        for class in Class::ALL {
            let all = model.rows_by_class[class as usize];
            quota[class as usize] = all.min(room);
            room -= all.min(room);
            folded[class as usize] = all - quota[class as usize];
        }
    }
    let mut left: usize = quota.iter().sum();
    let mut rows = Vec::with_capacity(left);
    for row in model.rows() {
        if left == 0 {
            break;
        }
        let quota = &mut quota[row.class as usize];
        if *quota > 0 {
            *quota -= 1;
            left -= 1;
            rows.push(row);
        }
    }
    (rows, folded)
}
