#!/bin/sh
# Puts brainviewer into your own menu and makes the command "brainviewer", for you alone and without root. The program stays in this folder:
# after moving the folder, run this again. ./uninstall.sh takes both out again; your settings and models stay.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
if [ ! -x "$here/brainviewer" ]; then
    echo "install.sh: the program is not beside this script, in $here." >&2
    exit 1
fi
if [ -z "${HOME:-}" ]; then
    echo "install.sh: there is no home folder (HOME is not set), so there is no menu to put brainviewer into." >&2
    exit 1
fi
data=${XDG_DATA_HOME:-$HOME/.local/share}
entry=$data/applications/brainviewer.desktop
icon=$data/icons/hicolor/256x256/apps/brainviewer.png
command=$HOME/.local/bin/brainviewer

# As the desktop entry specification asks: in quotes, with \ " ` $ escaped, each \ once more for the string, and % doubled.
quoted=$(printf '%s' "$here/brainviewer" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/`/\\`/g' -e 's/\$/\\$/g' -e 's/\\/\\\\/g' -e 's/%/%%/g')

mkdir -p "$(dirname "$entry")" "$(dirname "$icon")" "$(dirname "$command")"
cp "$here/brainviewer.png" "$icon"
cat > "$entry.new" <<END
[Desktop Entry]
Type=Application
Version=1.0
Name=brainviewer
GenericName=Brain MRI viewer
Comment=Shows whether, and where, a brain MRI shows a tumour. Research use only.
Exec="$quoted" %F
Icon=brainviewer
Terminal=false
Categories=Science;MedicalSoftware;
MimeType=application/dicom;
StartupNotify=true
StartupWMClass=brainviewer
END
mv "$entry.new" "$entry"
ln -sfn "$here/brainviewer" "$command"
if command -v update-desktop-database > /dev/null; then
    update-desktop-database "$data/applications" || true
fi
echo "brainviewer is in your menu, and $command starts it."
