//! Tables: read, prepared, and beside pandas and scikit-learn.

mod csv;
mod preprocessing;
mod sklearn;
mod table;
