//! The live block on a terminal: what runs now, and the matrix of checks and systems.
//!
//! [`model`] is what is known, [`layout`] what of it is shown where, [`render`] the text of it, all three pure;
//! [`screen`] alone writes on the terminal, and [`echo`] keeps others from it.

mod echo;
mod layout;
mod model;
mod render;
pub(super) mod screen;
mod text_line;

use std::{io, time::Duration};

use self::{model::Model, screen::Screen};
use super::{line::Weight, styles::Styles};
use crate::event::Event;

/// The columns and lines there are to write in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    columns: usize,
    lines: usize,
}

/// The live block of a run, and the lines that scroll away above it.
pub(super) struct Matrix {
    verbosity: i8,
    model: Model,
    screen: Screen,
}

impl Matrix {
    /// Shows the block at the end of what stderr shows now.
    pub(super) fn on_stderr(verbosity: i8) -> Self {
        Self::on_screen(Screen::stderr(), verbosity)
    }

    pub(super) fn on_screen(screen: Screen, verbosity: i8) -> Self {
        Self {
            verbosity,
            model: Model::default(),
            screen,
        }
    }

    /// Takes note of an event; its lines scroll away above the block if they weigh enough. Draws if it is time.
    pub(super) fn report(
        &mut self,
        event: &Event,
        (weight, lines): (Weight, Vec<String>),
        styles: &Styles,
    ) {
        self.model.observe(event);
        let is_shown = match self.verbosity {
            ..0 => false,
            0 => weight >= Weight::Notice,
            1 => weight >= Weight::Detail,
            2.. => true,
        };
        if is_shown {
            self.screen.print(lines);
        }
        if self.screen.is_due(event.elapsed) {
            let block = render::block(&self.model, self.screen.size(), event.elapsed, styles);
            self.screen.draw(&block, event.elapsed);
        }
    }

    /// Leaves the matrix as it is at the end, with these lines below it.
    ///
    /// # Errors
    ///
    /// Those of the terminal.
    pub(super) fn end(
        &mut self,
        now: Duration,
        lines: Vec<String>,
        styles: &Styles,
    ) -> io::Result<()> {
        if self.verbosity >= 0 {
            let matrix = render::result(&self.model, self.screen.size(), now, styles);
            self.screen.print(matrix);
        }
        self.screen.print(lines);
        self.screen.close()
    }

    /// Takes the block off the terminal.
    ///
    /// # Errors
    ///
    /// Those of the terminal.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.screen.close()
    }
}
