//! A stand-in for NiFi's ExecuteStreamCommand, and what the program comes to under it.
//!
//! It starts the program exactly as NiFi 1.28.1 and 2.9.0 were measured to: content on a pipe from a thread of its own,
//! standard output read beside it, standard error into a file of which `execution.error` keeps the first 4,000 bytes,
//! every dynamic property in the environment, routing by exit status. And it dies as they do: the input is cut cleanly,
//! or stays open and silent.

mod cases;
mod child;
mod deaths;
mod flow_file;
mod lab;
mod processor;
mod recipe;
mod rules;
mod shipped;
mod surroundings;
