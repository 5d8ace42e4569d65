//! Every rule of every operation: against PyTorch's values and against central differences, over
//! one table of cases.

mod complete;
mod differences;
mod golden;
mod programs;
mod table;
mod threads;
