//! The binary: hands over to the command line and turns its verdict into an exit code.

fn main() {
    let code = dhow::cli::main();
    // Every destructor that matters has run by now; leaving at once keeps start-up and exit short.
    std::process::exit(code);
}
