#!/bin/sh
##### Liste serveurs Prod avec user Dollar Universe
##### Le travail lui-même est décrit dans recuperation.toml, à côté de ce script ; recolte le fait.
#####   autre liste pour une fois :   LIST_SERVEUR="machine1 test[1-3]" ./Script_…
#####   voir sans rien toucher :      ./Script_… --dry-run
#####   code retour : 0 tout va bien, 1 un serveur en échec, 2 travail ou appel erroné, 3 mail non parti,
#####                 130/143 interrompu

### Variable mit en place pour prendre tous les serveurs
: "${LIST_SERVEUR:=exemple1 exemple2 exemple3 machine1 machine2 machine3 test1 test2 test3 serveur1 serveur2 serveur3}"
export LIST_SERVEUR


##### Script final #####

### recolte : dans le PATH (cron ne connaît pas /usr/local/bin), ou là où RECOLTE le dit
PATH=$PATH:/usr/local/bin
RECOLTE=${RECOLTE:-recolte}
command -v "$RECOLTE" >/dev/null || { echo "$RECOLTE est introuvable ; installez-le, ou indiquez son chemin dans RECOLTE" >&2; exit 2; }

exec "$RECOLTE" run "$@" -- "$(dirname -- "$(readlink -f -- "$0")")/recuperation.toml"
