# Completes manage.py's commands and their options: `source deploy/completion.bash`.
_control_plane_python_completion() {
    # `python manage.py ...`: leave the interpreter's name out.
    if [[ ${COMP_WORDS[1]} == *manage.py && $COMP_CWORD -gt 1 ]]; then
        COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]:1}" COMP_CWORD=$((COMP_CWORD - 1)) DJANGO_AUTO_COMPLETE=1 "$1" "${COMP_WORDS[1]}" 2>/dev/null))
    else
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    fi
}
complete -o default -F _control_plane_python_completion python python3 .venv/bin/python
