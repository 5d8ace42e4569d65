//! Every rule of every operation is compared with PyTorch's values and with central differences, for one table of cases.

mod complete;
mod differences;
mod golden;
mod programs;
mod table;
mod threads;
