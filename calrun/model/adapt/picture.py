"""What a convolutional network asks of a data set's input shape."""


def picture_size(option: str, input_shape: tuple[int, ...], min_side: int) -> tuple[int, int, int]:
    """Returns (channels, height, width) of one input.

    Raises:
        ValueError: if the input is not a picture, or smaller than `min_side` x `min_side` pixels.
    """
    channels, height, width = as_picture(f"model={option}", input_shape)
    if min(height, width) < min_side:
        raise ValueError(
            f"model={option} wants pictures of at least {min_side} x {min_side} pixels, but the data set gives "
            f"{channels} channels of {height} x {width}; bring them to a larger size"
        )
    return channels, height, width


def as_picture(option: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Returns (channels, height, width) of one input.

    Raises:
        ValueError: if the input is not a picture.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"{option} wants pictures (channels, height, width), but the data set gives inputs of shape "
            f"{tuple(input_shape)}; choose model=mlp for vectors, or save pictures as (N, H, W) or (N, H, W, channels)"
        )
    channels, height, width = input_shape
    return channels, height, width
