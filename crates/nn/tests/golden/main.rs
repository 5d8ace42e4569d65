//! Losses and layers against the numbers of PyTorch and Keras in the files of this folder.

mod cases;
mod images;
mod layers;
mod loss_values;
mod losses;
mod merging;
