//! Tables: reading, preprocessing, and comparison with pandas and scikit-learn.

mod csv;
mod preprocessing;
mod sklearn;
mod table;
