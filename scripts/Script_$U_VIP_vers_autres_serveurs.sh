#!/bin/sh
##### Liste serveurs Prod avec user Dollar Universe
##### Le job est décrit dans recuperation.toml, dans le même dossier ; c'est recolte qui l'exécute.
#####   une autre liste, pour une fois :            LIST_SERVEUR="machine1 test[1-3]" ./Script_…
#####   afficher les commandes sans rien lancer :   ./Script_… --dry-run
#####   code retour : 0 tous les serveurs ont réussi, 1 un serveur n'a pas réussi, 2 job ou ligne de commande erroné,
#####                 3 mail, archive ou copie en échec, 4 un autre passage est en cours, 130/143 interrompu

### Variable mise en place pour prendre tous les serveurs
: "${LIST_SERVEUR:=exemple1 exemple2 exemple3 machine1 machine2 machine3 test1 test2 test3 serveur1 serveur2 serveur3}"
export LIST_SERVEUR


##### Script final #####

### recolte est cherché dans le PATH, auquel /usr/local/bin est ajouté pour cron, ou pris dans la variable RECOLTE
PATH=$PATH:/usr/local/bin
RECOLTE=${RECOLTE:-recolte}
command -v "$RECOLTE" >/dev/null || { echo "$RECOLTE est introuvable ; installez-le, ou indiquez son chemin dans RECOLTE" >&2; exit 2; }

exec "$RECOLTE" run "$@" -- "$(dirname -- "$(readlink -f -- "$0")")/recuperation.toml"
