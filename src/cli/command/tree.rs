//! `dhow image tree`: the layers of an image, and whose top they are.

use super::Verb;
use crate::cli::{output, units};
use crate::error::Result;
use crate::store::Store;
use crate::store::container::short;
use crate::store::image::{ImageRecord, NameRecord};
use clap::Args;
use std::fmt::Write;

/// Arguments of `image tree`.
#[derive(Debug, Args)]
pub struct Tree {
    /// Show the images that stand on this one instead
    #[arg(long)]
    whatrequires: bool,
    /// The image, by name or id
    #[arg(value_name = "IMAGE")]
    image: String,
}

impl Verb for Tree {
    const NAME: &'static str = "tree";
    const ABOUT: &'static str = "Show the layers of an image as a tree";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let image = store.find_image(&self.image)?;
        let (images, names) = (store.images()?, store.names()?);
        let branches = if self.whatrequires { standing_on(&image, &images) } else { layers(&image, &images) };
        output::rendered(&text(&image, &names, &branches))?;
        Ok(0)
    }
}

/// A line of the tree: its depth, what it is, and the images whose names belong to it.
struct Branch<'a> {
    depth: usize,
    text: String,
    images: Vec<&'a ImageRecord>,
}

/// The layers, lowest first, each with the images of which it is the uppermost.
fn layers<'a>(image: &ImageRecord, images: &'a [ImageRecord]) -> Vec<Branch<'a>> {
    let branch = |at: usize| {
        let upto = &image.layers[..=at];
        let text = format!("ID: {} Size: {:>7}", short(&upto[at].diff_id), units::size(upto[at].content_size));
        Branch { depth: 0, text, images: images.iter().filter(|other| other.layers == upto).collect() }
    };
    (0..image.layers.len()).map(branch).collect()
}

/// The images that have all layers of this one and more, each as deep as its number of further layers.
fn standing_on<'a>(image: &ImageRecord, images: &'a [ImageRecord]) -> Vec<Branch<'a>> {
    let own = image.layers.len();
    let mut above: Vec<&ImageRecord> = images
        .iter()
        .filter(|other| other.manifest != image.manifest && own > 0 && other.layers.starts_with(&image.layers))
        .collect();
    // A prefix sorts before what it begins, so an image comes right after the one that it stands on.
    above.sort_by_cached_key(|other| other.layers.iter().map(|l| l.diff_id.clone()).collect::<Vec<_>>());
    let branch = |other: &&'a ImageRecord| {
        let text = format!("ID: {} Size: {:>7}", short(&other.id), units::size(other.size));
        let below = above.iter().filter(|a| a.manifest != other.manifest && a.layers.len() < other.layers.len());
        let depth = below.filter(|a| other.layers.starts_with(&a.layers)).count();
        Branch { depth, text, images: vec![*other] }
    };
    above.iter().map(branch).collect()
}

fn text(image: &ImageRecord, names: &[NameRecord], branches: &[Branch<'_>]) -> String {
    let names_of = |image: &ImageRecord| -> Vec<&str> {
        names.iter().filter(|n| n.manifest == image.manifest).map(|n| n.name.as_str()).collect()
    };
    let mut out = format!(
        "Image ID: {}\nTags:     [{}]\nSize:     {}\nImage Layers\n",
        short(&image.id),
        names_of(image).join(" "),
        units::size(image.size)
    );
    for (at, branch) in branches.iter().enumerate() {
        let last = !branches[at + 1..].iter().any(|next| next.depth == branch.depth);
        let names: Vec<&str> = branch.images.iter().flat_map(|image| names_of(image)).collect();
        let top = if names.is_empty() { String::new() } else { format!(" Top Layer of: [{}]", names.join(" ")) };
        let indent = "    ".repeat(branch.depth);
        let _ = writeln!(out, "{indent}{} {}{top}", if last { "└──" } else { "├──" }, branch.text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layer::LayerRef;

    fn image(digit: &str, layers: &[&str]) -> ImageRecord {
        let layer = |name: &&str| LayerRef {
            id: name.to_string(),
            diff_id: format!("sha256:{}", name.repeat(32)),
            tar_size: 0,
            content_size: 1_500_000,
        };
        ImageRecord {
            manifest: digit.into(),
            id: format!("sha256:{}", digit.repeat(64)),
            config: Default::default(),
            layers: layers.iter().map(layer).collect(),
            size: 1_500_000 * layers.len() as u64,
            created: String::new(),
        }
    }

    #[test]
    fn layers_say_whose_top_they_are_and_images_who_stands_on_them() {
        let images =
            [image("1", &["aa"]), image("2", &["aa", "bb"]), image("3", &["aa", "bb", "cc"]), image("4", &["dd"])];
        let name = |name: &str, manifest: &str| NameRecord { name: name.into(), manifest: manifest.into() };
        let names = [name("base", "1"), name("mid", "2"), name("top", "3")];
        assert_eq!(
            text(&images[1], &names, &layers(&images[1], &images)),
            "Image ID: 222222222222\nTags:     [mid]\nSize:     3 MB\nImage Layers\n\
             ├── ID: aaaaaaaaaaaa Size:  1.5 MB Top Layer of: [base]\n\
             └── ID: bbbbbbbbbbbb Size:  1.5 MB Top Layer of: [mid]\n"
        );
        let above = text(&images[0], &names, &standing_on(&images[0], &images));
        let lines: Vec<&str> = above.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "└── ID: 222222222222 Size:    3 MB Top Layer of: [mid]",
                "    └── ID: 333333333333 Size:  4.5 MB Top Layer of: [top]"
            ]
        );
    }
}
