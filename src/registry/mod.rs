//! The network: asking servers for files, and later for images. Knows neither builds nor containers.

pub mod http;
