#![no_main]
backfire_fuzz::target!(backfire::fuzz::auth_header::AuthHeader);
