//! k8psh, the Kubernetes Pod Shell: runs a program that lives in another container as though it were installed here.
#![cfg_attr(not(test), no_std)]

pub mod applet;
pub mod config;
pub mod diag;
pub mod errno;
pub mod exit;
pub mod limits;
pub mod number;
pub mod session;
pub mod sys;
pub mod wire;
