"""What a convolutional network asks of a data set's input shape."""


def picture_size(option: str, input_shape: tuple[int, ...], min_side: int) -> tuple[int, int, int]:
    """Returns (channels, height, width) of one input.

    Raises:
        ValueError: if the input is no picture or a smaller one than `min_side` x `min_side`.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < min_side:
        raise ValueError(
            f"model={option} wants pictures (channels, height, width) of at least {min_side} x {min_side}, but the "
            f"data set gives inputs of shape {tuple(input_shape)}; choose model=mlp or another data set"
        )
    channels, height, width = input_shape
    return channels, height, width
