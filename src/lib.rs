//! k8psh, the Kubernetes Pod Shell: runs a program that lives in another container as though it were installed here.
#![cfg_attr(not(test), no_std)]

pub mod config;
pub mod exit;
pub mod limits;
