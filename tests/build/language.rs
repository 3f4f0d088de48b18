//! What a Dockerfile means, seen in the image that it makes.
