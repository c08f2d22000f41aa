"""Completion of commands, groups, options and keys in a shell: the shell asks calrun, and calrun asks Hydra."""

import os
import sys
from collections.abc import Callable, Mapping

from calrun.places import options

ASK = "CALRUN_COMPLETE"  # variable with the words typed so far, of which the last may be incomplete
SCRIPTS = {
    "bash": """_calrun() {
    local word=${COMP_LINE:0:$COMP_POINT}
    word=${word##*[[:space:]]}
    mapfile -t COMPREPLY < <(CALRUN_COMPLETE=${COMP_LINE:0:$COMP_POINT} "${COMP_WORDS[0]}" 2>/dev/null)
    # readline replaces what follows the last = or :
    local before=${word%"${word##*[=:]}"}
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -o nospace -o default -F _calrun calrun""",
    "zsh": """_calrun() {
    local -a found
    found=(${(f)"$(CALRUN_COMPLETE=$LBUFFER $words[1] 2>/dev/null)"})
    compadd -Q -S '' -- $found || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _calrun calrun""",
    "fish": """function __calrun
    set -l calrun (commandline -opc)[1]
    set -lx CALRUN_COMPLETE (commandline -cp)
    $calrun 2>/dev/null
end
complete -c calrun -a '(__calrun)'""",
}


def script(shell: str) -> str:
    """Returns what a shell has to read: eval "$(calrun completion bash)".

    Raises:
        ValueError: if there is no completion for the shell.
    """
    if shell not in SCRIPTS:
        raise ValueError(f"calrun completes in {', '.join(SCRIPTS)}, got {shell!r}; choose one of them")
    return SCRIPTS[shell]


def answers(
    line: str, commands: list[str], ask_hydra: Callable[[], object], below: Mapping[str, list[str]] | None = None
) -> list[str]:
    """Returns the words that can stand at the end of a line.

    Args:
        line: as typed, up to the cursor.
        commands: of calrun.
        below: the commands of a command, such as those of features.
        ask_hydra: prints Hydra's answer to the arguments of `calrun run`, which it finds in COMP_LINE.
    """
    words, below = line.split(), below or {}
    if line[-1:].isspace():
        words.append("")
    if len(words) <= 2:
        return [f"{name} " for name in [*commands, *below] if name.startswith(words[-1])]
    if words[1] in below:
        if len(words) == 3:
            return [f"{name} " for name in below[words[1]] if name.startswith(words[-1])]
        words = ["calrun", *(["run"] if words[2] != "remove" else words[1:3]), *words[3:]]
    if words[1] not in ("run", "plan", "reproduce") or (words[1] == "reproduce" and len(words) == 3):
        return [name for name in _arguments(words[1]) if name.startswith(words[-1]) and len(words) == 3]
    os.environ["COMP_LINE"] = " ".join(["calrun", *words[2:]])
    sys.argv = ["calrun run", "--shell-completion", "query=fish"]  # which prints one answer a line
    ask_hydra()
    return []


def _arguments(command: str) -> list[str]:
    """Returns what can be the first argument of a command; an empty list leaves it to the shell, which knows files."""
    legal = options()
    return {"list": [*legal], "reproduce": legal["experiment"], "completion": [*SCRIPTS]}.get(command, [])
