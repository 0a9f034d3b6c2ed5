#!/bin/sh
# Takes out what install.sh put in: the menu entry, the icon and the command. The program's folder, your settings and your models stay.
set -eu

if [ -z "${HOME:-}" ]; then
    echo "uninstall.sh: there is no home folder (HOME is not set)." >&2
    exit 1
fi
data=${XDG_DATA_HOME:-$HOME/.local/share}
command=$HOME/.local/bin/brainviewer

rm -f "$data/applications/brainviewer.desktop" "$data/icons/hicolor/256x256/apps/brainviewer.png"
if [ -L "$command" ]; then
    rm -f "$command"
fi
if command -v update-desktop-database > /dev/null; then
    update-desktop-database "$data/applications" || true
fi
echo "brainviewer is no longer in your menu. To remove the program, delete its folder; your settings and models are in $data/brainviewer."
