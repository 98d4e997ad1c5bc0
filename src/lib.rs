#![cfg_attr(not(test), no_std)]

pub mod auth;
pub mod cli;
pub mod client;
pub mod config;
pub mod diag;
pub mod exit;
pub mod files;
pub mod limits;
pub mod options;
pub mod protocol;
pub mod secure;
pub mod server;
pub mod session;
pub mod sys;
pub mod text;
