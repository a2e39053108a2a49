# Le portail en français. Un message est nommé d’après ce à quoi il sert ; le fichier anglais a les mêmes noms.

## Nombres, dates et durées

number = { $number }
month = { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[other] décembre
}
day = { $day ->
    [1] 1er
   *[other] { $day }
} { month } { $year }
moment = { $day ->
    [1] 1er
   *[other] { $day }
} { month } { $year } à { $hour } h { $minute } UTC
clock = { $hour }:{ $minute }
just-now = à l’instant
ago = il y a { $span }
from-now = dans { $span }
seconds = { $count ->
    [one] { $count } seconde
   *[other] { $count } secondes
}
minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
hours = { $count ->
    [one] { $count } heure
   *[other] { $count } heures
}
days = { $count ->
    [one] { $count } jour
   *[other] { $count } jours
}
milliseconds = { $time } ms
# Pour le compte à rebours : jours, heures, minutes, secondes.
countdown-units = j h min s

## Sur chaque page

skip = Aller au contenu
menu = Menu
above = Vous êtes ici
sign-out = Déconnexion
copy = Copier
copied = Copié
optional = (facultatif)
cancel = Annuler
save = Enregistrer
edit = Modifier
delete = Supprimer
more = Afficher la suite
older = Entrées plus anciennes
filter = Afficher
never = jamais
none = aucun
nothing = rien
nobody = personne
now = maintenant
command-line = ligne de commande
application = Application
api-key = Clé d’API
scope = Portée
to-field = Aller au champ
to-start = Aller à l’accueil
try-again = Réessayer
send-again = Envoyer de nouveau
at-once = sans délai
without-end = sans limite
required = obligatoire
not-required = facultatif
as-numbers = En chiffres
request-id = Identifiant de la requête :
column-actions = Actions
shown-once = Ceci n’est affiché qu’une seule fois. Copiez-le maintenant et conservez-le en lieu sûr : personne ne pourra l’afficher de nouveau.

## Menu

menu-now = En ce moment
menu-developers = Développement
menu-account = Compte
menu-server = Serveur
menu-overview = Vue d’ensemble
menu-applications = Applications
menu-api-keys = Clés d’API
menu-registration-tokens = Jetons d’enregistrement
menu-accounts = Comptes
menu-people = Personnes
menu-audit = Audit
menu-resource-servers = Serveurs de ressources
menu-signing-keys = Clés de signature
menu-profile = Votre connexion

## Colonnes

column-name = Nom
column-id = Identifiant
column-client-id = ID client
column-account = Compte
column-scope = Portée
column-state = État
column-made = Création
column-made-by = Créée par
column-last-used = Dernière utilisation
column-ends = Fin
column-key = Commence par
column-secret = Secret
column-token = Jeton
column-issued = Émission
column-when = Quand
column-why = Pourquoi
column-what = Action
column-who = Qui
column-target = Objet
column-address = Adresse IP
column-request = Identifiant de la requête
column-browser = Navigateur
column-signed-in = Connexion
column-last-seen = Dernière activité
column-uses-left = Utilisations restantes
column-kid = Identifiant de la clé (kid)
column-algorithm = Algorithme
column-signs-from = Signe à partir du
column-signs-until = Signe jusqu’au
column-published-until = Publiée jusqu’au
column-introspects-with = Client d’introspection

## Champs

field-text = Nom ou ID client
field-email = Adresse e-mail
field-password = Mot de passe
field-current = Mot de passe actuel
field-new = Nouveau mot de passe
field-code = Code
field-name = Nom
field-account = Compte
field-role = Rôle
field-scope = Portée
field-rights = Droits
field-more-scope = Autre portée
field-resources = Serveurs de ressources
field-auth-method = Mode d’authentification
field-jwks = Clés publiques (JWK Set)
field-introspect = Peut introspecter des jetons
field-expires-in = Durée de validité
field-allowed-ips = Adresses IP autorisées
field-manage-keys = Peut gérer les clés de l’application
field-grace = Délai de transition
field-identifier = Identifiant
field-uses = Utilisations
field-action = Action
field-actor = Qui
field-target = Objet
field-required = Obligatoire
field-now = Immédiatement
field-link = Lien

## Entrer

sign-in = Se connecter
sign-in-help = Pas encore d’accès, ou mot de passe oublié ? Votre administrateur peut créer un lien pour en définir un.
go-on = Continuer
second-factor = Second facteur
help-code = Six chiffres de votre application d’authentification, ou l’un de vos codes de secours.
help-first-code = Les six chiffres que l’application affiche maintenant.
help-password = Au moins 10 caractères. Quelques mots qui n’ont de sens que pour vous conviennent bien.
help-own-password = Le mot de passe avec lequel vous vous connectez.
help-link = Collez le lien que l’on vous a donné.
wrong-codes = Vérifiez votre compte
wrong-codes-count = { $count ->
    [one] Un code incorrect du second facteur a été saisi ailleurs depuis votre dernière connexion.
   *[other] { $count } codes incorrects du second facteur ont été saisis ailleurs depuis votre dernière connexion.
}
wrong-codes-text = Si ce n’était pas vous, quelqu’un connaît votre mot de passe. Changez-le dès maintenant.
invitation = Définissez votre mot de passe
invitation-text = Ce lien vous est personnel et ne fonctionne qu’une fois.
invitation-gone = Ce lien ne fonctionne plus
invitation-gone-text = Il a été utilisé, remplacé par un plus récent, ou a expiré. Demandez-en un nouveau à la personne qui vous l’a envoyé.
set-password = Définir le mot de passe
kept = Rien n’est perdu
kept-text = Votre connexion est rétablie. Rien n’a encore été modifié ; voici ce que vous aviez saisi.
kept-leave = Abandonner et aller à l’accueil
form-signed-out = Votre session a pris fin. Reconnectez-vous : ce que vous avez saisi est conservé.
form-other-session = Ce formulaire vient d’une session antérieure, ou les cookies sont désactivés. Rien n’a été modifié.
done-signed-out = La déconnexion est effectuée.
done-password-set = Le mot de passe est défini. Utilisez-le pour vous connecter.

## Votre connexion

change-password = Changer le mot de passe
change-password-text = Toutes vos autres sessions prendront fin.
second-factor-text = Avec, en plus, un code fourni par une application de votre téléphone, un mot de passe volé ne suffit pas.
second-factor-set-up = Configurer le second facteur
second-factor-first = Votre compte exige un second facteur. Configurez-le pour continuer.
second-factor-app = Ouvrez une application d’authentification sur votre téléphone, ou installez-en une. Toutes celles qui connaissent TOTP conviennent.
second-factor-scan = Scannez cette image avec l’application, ou saisissez-y le secret ci-dessous.
second-factor-picture = Le secret du second facteur sous forme de code QR ; il figure aussi en texte ci-dessous
second-factor-type = Secret
second-factor-confirm = Confirmer
second-factor-on = activé
second-factor-required = Votre compte l’exige.
second-factor-anew = Le configurer sur un autre téléphone
second-factor-remove = Désactiver le second facteur
recovery-codes = Codes de secours
recovery-codes-left = { $count ->
    [0] Il ne reste aucun code de secours : créez-en de nouveaux.
    [one] Il reste un code de secours : créez-en bientôt de nouveaux.
   *[other] Il reste { $count } codes de secours.
}
recovery-codes-text = Chacun permet de se connecter une fois quand le téléphone n’est pas à portée de main. Imprimez-les, ou conservez-les dans un gestionnaire de mots de passe.
recovery-codes-renew = Créer de nouveaux codes de secours
recovery-codes-kept = Je les ai mis en lieu sûr
sessions = Vos sessions
session-end = Terminer
this-one = celle-ci
done-password-changed = Le mot de passe est changé. Toutes les autres sessions ont pris fin.
done-second-factor = Le second facteur est activé.
done-second-factor-there = Le second facteur est déjà actif. Si les codes de secours sont perdus, créez-en de nouveaux ci-dessous.
done-second-factor-removed = Le second facteur est désactivé.
done-session-ended = La session est terminée.

## Applications

applications-none = Pas encore d’application
applications-none-text = Une application est un programme qui appelle des API avec des jetons ou des clés d’API. Créez-en une par programme et par environnement, pour pouvoir modifier chacune ou y mettre fin séparément.
all-accounts = Tous les comptes
applications-not-found = Aucun résultat
applications-not-found-text = Aucune application n’a ce texte dans son nom, ni cet ID client.
application-new = Nouvelle application
application-new-text = Elle reçoit un ID client, un secret client et une première clé d’API, affichés une seule fois.
application-create = Créer l’application
application-made = L’application est prête
application-about = À propos
application-authentication = Authentification
help-application-name = Le nom sous lequel on la cherchera, par exemple « Import des commandes, production ».
reach-nothing = Rien ne peut encore être accordé : un opérateur doit donner à votre compte sa première portée et ses premiers serveurs de ressources.
help-resources = Les API pour lesquelles elle peut obtenir des jetons.
help-scope = Ce qu’elle peut y demander.
scope-undescribed = Vérifiez la portée, elle contient peut-être une faute de frappe : aucun des serveurs de ressources ne connaît { $unknown }. Ils connaissent : { $known }.
help-more-scope = Des mots séparés par un espace, en plus de ceux ci-dessus.
rights = API d’administration
help-rights = Ce qu’elle peut faire dans Keyward même. Sélectionnez aussi l’API d’administration ci-dessus.
help-auth-method = Avec un secret, c’est le plus simple. Avec une clé qui lui est propre, aucun secret ne circule jamais.
help-jwks = Seulement pour une clé qui lui est propre : les clés publiques, en JSON.
help-introspect = Elle peut demander si les jetons destinés à ses serveurs de ressources sont valables.
method-client-secret-basic = secret client (en-tête Basic)
method-client-secret-post = secret client (dans le corps)
method-private-key-jwt = assertion signée (private_key_jwt)
enabled = activée
disabled = désactivée
disabled-by-operator = désactivée par un opérateur
disabled-by-operator-text = Un opérateur a désactivé cette application. Seul un opérateur peut la réactiver.
introspects = introspection
enable = Activer
disable = Désactiver
client-secret = Secret client
first-token = Obtenir un jeton
first-key = Première clé d’API
to-application = Voir l’application
done-application-created = L’application est créée.
done-application-deleted = L’application est supprimée. Ses secrets, clés et jetons sont désormais refusés.
done-saved = C’est enregistré.
done-already = Ce formulaire a été envoyé deux fois : le premier envoi a suffi.
done-disabled = L’application est désactivée : tout ce qu’elle présente est refusé.
done-enabled = L’application est activée.
done-tokens-revoked = Tous ses jetons sont révoqués.
as-it-is = L’état actuel
registration-access = Jeton d’accès d’enregistrement
registration-access-text = Cette application s’est enregistrée elle-même. Quiconque détient son jeton d’accès d’enregistrement peut modifier son enregistrement ou la supprimer.
registration-access-none = Cette application s’est enregistrée elle-même. Sans jeton d’accès d’enregistrement, elle ne peut pas modifier son enregistrement.
registration-access-made = Nouveau jeton d’accès d’enregistrement
registration-access-uri = Point de configuration du client
done-registration-access-revoked = Jeton d’accès d’enregistrement révoqué.
ask-renew-registration-token = Renouveler le jeton d’accès d’enregistrement
ask-renew-registration-token-text = { $name } reçoit un nouveau jeton d’accès d’enregistrement, affiché une seule fois. Le jeton actuel cesse immédiatement de fonctionner.
ask-revoke-registration-token = Révoquer le jeton d’accès d’enregistrement
ask-revoke-registration-token-text = { $name } continue de fonctionner, mais ne peut plus modifier ni supprimer son enregistrement. Vous pourrez créer un nouveau jeton à tout moment.
ask-disable = Désactiver l’application
ask-disable-text = { $name } : ses secrets, clés d’API et jetons seront refusés immédiatement, partout. La réactiver rétablit ceux qui n’ont pas expiré.
ask-delete = Supprimer l’application
ask-delete-text = { $name } : ses secrets, clés d’API et jetons seront refusés immédiatement, partout et définitivement.
ask-revoke-tokens = Révoquer tous les jetons
ask-revoke-tokens-text = { $name } : tous les jetons émis jusqu’ici seront refusés immédiatement. L’application peut en obtenir de nouveaux avec son secret.
failures = Échecs récents
failures-none = Aucun échec récent.
tokens = Jetons en cours
tokens-none = Aucun jeton en cours.
tokens-off = Ce serveur ne garde pas trace des jetons.
tokens-more = Seuls les plus récents sont affichés.
revoke-all = Révoquer tous les jetons
revoked = révoqué
live = valable

## Démarrage rapide

quick-start = Démarrage rapide
quick-start-text = Un premier jeton dans votre langage. Le secret n’y figure pas : la place d’un secret est dans l’environnement, pas dans le code.
quick-start-languages = Langages
quick-start-secret = Placez le secret client dans l’environnement. Il a été affiché à sa création ; s’il est perdu, créez-en un autre.
quick-start-environment = Environnement
quick-start-prepare = Préparer
quick-start-save = Enregistrer ceci dans { $file }
quick-start-run = Exécuter
quick-start-none = Ce client n’obtient pas de jetons : il ne fait qu’introspecter ceux des autres.
quick-start-assertion = Cette application s’authentifie par une assertion signée (RFC 7523). Signez un JWT avec sa clé privée et envoyez-le au point de terminaison des jetons dans client_assertion, avec ces valeurs.
token-endpoint = Point de terminaison des jetons

## Secrets client

secrets = Secrets client
secrets-text = Avec un secret et l’ID client, l’application obtient des jetons. Plusieurs secrets peuvent être valables en même temps, pour pouvoir en remplacer un sans interruption.
secrets-none = Aucun secret
secrets-none-text = Sans secret, l’application ne peut pas s’authentifier.
secrets-rotate = Renouveler
secrets-rotate-text = Crée un nouveau secret. Tous les autres expirent d’eux-mêmes après un délai.
secret-new = Un autre secret
secret-new-text = En plus de ceux qui existent : passez au nouveau, puis supprimez l’ancien.
secret-create = Créer un secret
secret-made = Le secret est créé
secret-delete = Supprimer le secret
secret-delete-which = Supprimer le secret { $id }
secret-delete-text = Tout ce qui s’authentifie avec lui sera dès lors refusé. Les jetons déjà émis restent valables jusqu’à leur fin.
secret-last = C’est le seul : tant qu’il n’y en a pas d’autre, l’application ne peut pas obtenir de jetons.
to-secrets = Voir les secrets
done-secret-deleted = Le secret est supprimé.

## Clés d’API

keys-text = Une clé d’API se présente directement à une API. Créez-en une pour chaque endroit qui l’utilise, pour pouvoir remplacer chacune séparément.
keys-of = Clés d’API : { $name }
keys-choose = Les clés de quelle application ?
keys-none = Aucune clé d’API
keys-none-text = Créez la première ci-dessous.
keys-one-left = C’est la seule clé, elle ne peut donc pas être révoquée. Pour la remplacer, renouvelez-la. En cas de fuite, renouvelez-la en mettant fin immédiatement à l’ancienne clé.
keys-full = { $count ->
    [one] Une clé au maximum
   *[other] { $count } clés au maximum
}
keys-full-text = Cherchez sous « Dernière utilisation » une clé que plus personne n’utilise, et révoquez-la. Il y aura alors de la place pour une nouvelle.
key-new = Nouvelle clé
key-create = Créer la clé
key-made = La clé est créée
key-rotated = La nouvelle clé est créée
key-named = { $name }
key-limits = Limites : fin, portée, adresses
key-try = L’essayer
ready-header = En-tête pour chaque requête
to-keys = Voir les clés
replaced = remplacée
manages-keys = gère les clés
ended = a expiré
rotate = Renouveler
revoke = Révoquer
rotate-key = Renouveler { $name }
rotate-text = Une nouvelle clé reprend son nom, sa portée et ses adresses. L’ancienne expire d’elle-même après un délai.
help-grace = Le temps qu’il faut pour tout faire passer à la nouvelle clé.
key-last-used = Dernière utilisation { $when }.
key-never-used = Jamais utilisée.
revoke-key = Révoquer { $name }
revoke-text = Tout ce qui l’utilise sera dès lors refusé, partout. C’est irréversible.
help-key-name = Ce qui l’utilise, par exemple « Import nocturne ».
help-key-scope = Rien de coché : tout ce qui est permis à l’application.
help-allowed-ips = Des adresses ou des plages comme 203.0.113.0/24, une par ligne. Vide : de partout.
help-manage-keys = Elle peut créer des clés par /apiKeys, et y mettre fin. Gardez une telle clé à part de celles qui appellent des API.
done-key-revoked = La clé est révoquée : elle est désormais refusée.

## Personnes

person-invite = Inviter quelqu’un
person-invite-text = Vous obtenez un lien à transmettre, avec lequel la personne définit elle-même son mot de passe.
person-invited = invitation, fin
person-active = accès actif
person-no-password = pas encore d’accès
person-remove = Retirer
person-remove-who = Retirer { $email }
person-remove-text = { $email } ne pourra plus se connecter, et toutes ses sessions prendront fin. Ce que cette personne a créé est conservé.
person-yourself = C’est vous : votre mot de passe et votre second facteur se trouvent ici.
help-role = Un lecteur voit les applications. Un développeur gère les applications et les clés. Un administrateur gère aussi les personnes.
help-person-account = Un opérateur n’appartient à aucun compte : dans ce cas, ce champ est ignoré.
role-operator = Opérateur
role-administrator = Administrateur
role-developer = Développeur
role-viewer = Lecteur
role-change = Rôle
link = Lien
link-made = Le lien est créé
link-text = Transmettez ce lien à { $email }, par un moyen que personne d’autre ne peut lire.
link-lifetime = Il fonctionne une seule fois, pendant { $span }.
link-new = Nouveau lien
link-new-text = Pour quelqu’un qui a perdu le mot de passe, ou le lien. Un lien antérieur cesse de fonctionner.
second-factor-reset = Réinitialiser le second facteur
second-factor-reset-text = Pour quelqu’un qui a perdu à la fois le téléphone et les codes de secours. Assurez-vous qu’il s’agit bien de cette personne.
policy-on = Dans ce compte, chaque personne a besoin d’un second facteur pour se connecter.
policy-off = Le second facteur est laissé au choix de chaque personne.
policy-turn-on = Le rendre obligatoire
policy-turn-off = Le rendre facultatif
to-people = Voir les personnes
done-person-removed = La personne est retirée.

## Comptes

accounts-none = Pas encore de compte
accounts-none-text = Un compte est un partenaire : il a ses propres personnes et applications.
account-new = Nouveau compte
account-create = Créer le compte
help-account-name = Le nom du partenaire.
done-account-created = Le compte est créé. Donnez-lui une première application, et invitez quelqu’un.

## Serveurs de ressources

resources-none = Pas encore de serveur de ressources
resources-none-text = Un serveur de ressources est une API qui accepte des jetons et des clés. Son identifiant est l’audience de ses jetons.
resource-new = Nouveau serveur de ressources
resource-new-text = Il reçoit son propre client pour l’introspection.
resource-create = Créer le serveur de ressources
resource-made = Le serveur de ressources est créé
resource-made-text = Avec ces valeurs, l’API demande si un jeton ou une clé est valable.
resource-delete = Supprimer le serveur de ressources
resource-delete-text = { $identifier } et son client d’introspection seront supprimés.
help-identifier = Un URI, comme https://orders.example/. Il ne pourra pas être modifié.
help-resource-scope = Ce que les applications peuvent demander, en mots séparés par un espace.
field-token-typ = Type de jeton
help-token-typ = L’en-tête typ de ses jetons. Choisissez JWT si la bibliothèque de l’API refuse at+jwt, comme Spring Security.
typ-at-jwt = at+jwt (RFC 9068)
typ-jwt = JWT
introspect-line = Introspecter un jeton
to-resource-servers = Voir les serveurs de ressources
done-resource-deleted = Le serveur de ressources est supprimé.

## Jetons d’enregistrement

registration-text = Avec un tel jeton, un programme s’enregistre lui-même comme application (RFC 7591), dans les limites de ce que le jeton permet.
registration-none = Aucun jeton d’enregistrement
registration-none-text = Créez-en un là où ce sont des machines qui mettent en place les applications.
registration-new = Nouveau jeton d’enregistrement
registration-create = Créer le jeton
registration-made = Le jeton d’enregistrement est créé
registration-token = Jeton d’enregistrement
registration-line = Enregistrer une application
registration-delete = Supprimer le jeton d’enregistrement
registration-delete-text = Plus aucune application ne pourra s’enregistrer avec lui. Celles qui l’ont fait restent.
help-registration-scope = Le maximum qu’une telle application peut avoir.
help-uses = Combien d’applications peuvent s’enregistrer avec lui. Vide : autant que l’on veut.
any-number = sans limite
used-up = épuisé
to-registration-tokens = Voir les jetons d’enregistrement
done-registration-deleted = Le jeton d’enregistrement est supprimé.

## Clés de signature

signing-keys-text = Les jetons d’accès sont signés avec ces clés. Une nouvelle clé est publiée avant de signer, et une ancienne reste publiée jusqu’à la fin de son dernier jeton.
signing-keys-line = Au fil du temps
signing-key-rotate = Renouveler
signing-key-rotate-text = Une nouvelle clé est publiée maintenant, et signe dès que chaque serveur de ressources a pu la recevoir.
key-state-published = publiée
key-state-signing = signe
key-state-retiring = en retrait
key-state-gone = hors service
retire = Retirer
retire-key = Retirer { $kid }
retire-text = Une autre clé prend le relais dès que chaque serveur de ressources a pu la recevoir. Ce que celle-ci a signé reste valable jusqu’à sa fin.
retire-now-text = Seulement en cas de fuite de la clé privée : immédiatement. Tous ses jetons seront dès lors refusés.
retire-now = Immédiatement
done-signing-key-rotated = La nouvelle clé est publiée.
done-signing-key-retired = La clé est retirée.

## Audit

audit-none = Rien
audit-none-text = Aucune entrée ne correspond.
all-actions = Tout
action-account-create = Compte créé
action-account-update = Compte modifié
action-api-key-create = Clé d’API créée
action-api-key-delete = Clé d’API révoquée
action-api-key-revoke = Clé d’API révoquée par son texte
action-api-key-rotate = Clé d’API renouvelée
action-authentication-failure = Échec d’authentification
action-client-create = Application créée
action-client-delete = Application supprimée
action-client-disable = Application désactivée
action-client-enable = Application activée
action-client-renew-registration-token = Jeton d’accès d’enregistrement renouvelé
action-client-revoke-registration-token = Jeton d’accès d’enregistrement révoqué
action-client-update = Application modifiée
action-clock-reset = Dernier instant vu par les nœuds réinitialisé ; tous les jetons révoqués
action-database-restore = Base de données restaurée depuis une sauvegarde
action-registration-token-create = Jeton d’enregistrement créé
action-registration-token-delete = Jeton d’enregistrement supprimé
action-resource-create = Serveur de ressources créé
action-resource-update = Serveur de ressources modifié
action-resource-delete = Serveur de ressources supprimé
action-sealing-key-prune = Anciennes clés de scellement supprimées
action-sealing-key-reset = Clé de scellement remplacée après une perte
action-sealing-key-rotate = Clé de scellement renouvelée
action-secret-create = Secret client créé
action-secret-delete = Secret client supprimé
action-secret-rotate = Secrets client renouvelés
action-session-create = Connexion
action-session-end = Session terminée
action-session-failure = Échec de connexion
action-signing-key-create = Clé de signature créée
action-signing-key-import = Clé de signature importée
action-signing-key-retire = Clé de signature retirée
action-signing-key-rotate = Clé de signature renouvelée
action-signing-key-update = Clé de signature publiée plus longtemps
action-token-refused = Jeton refusé
action-token-revoke = Jeton révoqué
action-token-revoke-all = Tous les jetons révoqués
action-user-accept-invitation = Invitation acceptée
action-user-change-password = Mot de passe changé
action-user-create = Personne créée
action-user-delete = Personne retirée
action-user-invite = Lien créé
action-user-remove-second-factor = Second facteur désactivé
action-user-renew-recovery-codes = Codes de secours renouvelés
action-user-reset-second-factor = Second facteur réinitialisé
action-user-set-password = Mot de passe défini
action-user-set-role = Rôle modifié
action-user-set-second-factor = Second facteur configuré
action-verification-refused = Requête refusée au proxy (/verify)

## Vue d’ensemble

as-of = État à { $when } UTC.
pause = Suspendre l’actualisation
resume = Reprendre l’actualisation
last-hour = La dernière heure
last-day = Les dernières 24 heures
tokens-issued = Jetons
introspections = Introspections
verifications = Contrôles par /verify
failures-count = Échecs
token-p95 = Jeton, 95 %
introspection-p95 = Introspection, 95 %
p50 = la moitié sous
p95 = 95 % sous
chart-rate = Jetons, introspections et contrôles par minute
chart-failures = Échecs par minute
chart-token-times = Requêtes de jeton, ms
chart-introspection-times = Introspections, ms
chart-day = Jetons, introspections et contrôles par heure
chart-day-failures = Échecs par heure
top-clients = Applications les plus actives
top-none = Pas encore de trafic
top-none-text = Les applications apparaissent ici dès qu’elles obtiennent des jetons ou utilisent leurs clés d’API.

## Ce qui n’a pas marché

failed-not-found = Introuvable
failed-not-found-text = Cette page n’existe pas, ou n’est pas pour vous.
failed-unavailable = La base de données est injoignable
failed-unavailable-text = Rien n’a été modifié. En général, elle revient d’elle-même au bout d’un instant.
failed-kept = Ce que vous avez saisi est conservé ici ; réessayez dans un instant.
failed-too-many = Trop de requêtes
failed-too-many-text = Patientez un instant, puis réessayez.
failed-denied = Non autorisé
failed-denied-text = Votre rôle ne le permet pas. Adressez-vous à un administrateur de votre compte.
failed-fault = Un problème est survenu ici
failed-fault-text = Il est consigné dans le journal, sous l’identifiant de la requête ci-dessous.
failed-refused = Cela n’a pas pu être fait
failed-refused-text = La requête est incompréhensible.

error-changed-meanwhile = Quelqu’un a fait une modification pendant que ce formulaire était ouvert. Voyez l’état actuel ; si vous enregistrez de nouveau, c’est votre saisie qui s’applique.
error-client-beyond-you = L’application a des droits que vous n’avez pas.
error-disabled-by-operator = Un opérateur a désactivé cette application : seul un opérateur peut la réactiver.
error-client-introspects = Le serveur de ressources { $resource } l’utilise pour l’introspection ; supprimez plutôt ce serveur.
error-clients-full = { $most ->
    [one] Ce compte est limité à une application. Demandez à un opérateur de relever la limite.
   *[other] Ce compte est limité à { $most } applications. Demandez à un opérateur de relever la limite.
}
error-code-wrong = Le code est incorrect, ou a déjà été utilisé.
error-current-password-wrong = Ce n’est pas votre mot de passe actuel.
error-email-reserved = Cette adresse e-mail ne peut pas être utilisée ici. Choisissez-en une autre ou contactez un opérateur.
error-email-taken = Il y a déjà quelqu’un avec cette adresse.
error-email-unusable = Ce n’est pas une adresse e-mail.
error-end-in-past = La fin doit se situer dans le futur.
error-form-stale = Le formulaire n’est plus à jour : recommencez.
error-identifier-reserved = Cette adresse est celle de Keyward. Indiquez l’adresse de votre propre API.
error-identifier-unusable = Un identifiant est un URI comme https://orders.example/, sans fragment.
error-introspection-beyond-you = Seul un opérateur peut permettre à une application d’introspecter.
error-introspection-moves = Cette application peut introspecter des jetons : seul un opérateur peut lui attribuer d’autres serveurs de ressources.
error-invitation-gone = Le lien a été utilisé, remplacé, ou a expiré.
error-ip-unusable = L’une de ces valeurs n’est ni une adresse IP, ni une plage comme 203.0.113.0/24.
error-jwks-missing = Une assertion signée a besoin des clés publiques.
error-jwks-unusable = Ce n’est pas un JWK Set avec des clés publiques utilisables.
error-key-gone = Cette clé d’API n’existe pas : elle a été révoquée, ou a expiré.
error-key-rotated = Cette clé a déjà été renouvelée.
error-keys-full = { $most ->
    [one] Une clé au maximum : révoquez-la d’abord.
   *[other] { $most } clés au maximum : révoquez-en d’abord une.
}
error-last-key = La dernière clé ne peut pas être révoquée. Renouvelez-la plutôt : en cas de fuite, mettez fin immédiatement à l’ancienne clé.
error-management-of-registrant = Une application qui s’enregistre elle-même ne peut pas utiliser l’API d’administration.
error-name-invisible = Un nom n’a ni espace au début ou à la fin, ni caractère invisible.
error-name-length = Un nom compte entre un et { $most } caractères.
error-name-taken = Ce nom est déjà pris.
error-no-secrets-used = L’application s’authentifie sans secret.
error-not-there = { $name } n’existe pas.
error-not-yourself = Il s’agit de vous : laissez quelqu’un d’autre le faire.
error-operator-role = Seul un opérateur peut créer un opérateur, et un opérateur n’appartient à aucun compte.
error-other-site = Ce formulaire a été envoyé par un autre site. Rien n’a été modifié.
error-pair-beyond-account = Aucune application de votre compte n’a la portée { $scope } pour { $resource } : adressez-vous à un opérateur.
error-pairs-too-many = Cela combine trop de portées et de serveurs de ressources pour une seule application. Créez plutôt plusieurs applications.
error-password-same = C’est votre mot de passe actuel.
error-password-unusable = Un mot de passe compte au moins 10 caractères, dont cinq différents, n’est pas votre adresse e-mail, et compte au plus 1 024 octets.
error-password-common = C’est l’un des mots de passe les plus courants, ou presque. Choisissez quelques mots qui n’ont de sens que pour vous.
error-password-date = Les dates et les années sont faciles à deviner. Choisissez quelques mots qui n’ont de sens que pour vous.
error-password-guessable = Ce mot de passe est facile à deviner. Ajoutez un mot ou deux.
error-password-keyboard = Des touches voisines sur le clavier sont faciles à deviner. Choisissez quelques mots qui n’ont de sens que pour vous.
error-password-personal = Le mot de passe contient votre adresse e-mail ou le nom de ce service. Choisissez quelques mots auxquels personne ne s’attend.
error-password-repeated = Un mot de passe qui répète les mêmes caractères est facile à deviner. Choisissez quelques mots différents.
error-password-sequence = Les suites comme abc ou 1234 sont faciles à deviner. Choisissez quelques mots qui n’ont de sens que pour vous.
error-person-gone = Cette personne n’existe pas ici.
error-resource-beyond-account = Aucune application de votre compte ne peut utiliser { $resource } : adressez-vous à un opérateur.
error-resource-in-use = { $count ->
    [one] Une application peut l’utiliser : modifiez-la d’abord.
   *[other] { $count } applications peuvent l’utiliser : modifiez-les d’abord.
}
error-right-beyond-you = Vous ne disposez pas du droit { $right } : vous ne pouvez pas l’accorder.
error-right-of-registrant = Une application qui s’enregistre elle-même ne peut pas recevoir le droit { $right }.
error-right-of-resource-server = Les portées qui commencent par « keyward: » sont réservées. Renommez { $right }.
error-right-unknown = Le droit { $right } n’existe pas. Les portées qui commencent par « keyward: » sont réservées.
error-right-without-management = Pour utiliser le droit { $right }, l’application doit aussi avoir accès à { $resource }.
error-role-beyond-you = Ce rôle comporte le droit { $right }, dont vous ne disposez pas.
error-scope-beyond-account = Aucune application de votre compte n’a la portée { $scope } sans serveur de ressources : sélectionnez-en un, ou adressez-vous à un opérateur.
error-scope-beyond-client = L’application n’a pas toute cette portée.
error-scope-unusable = Une portée se compose de mots sans guillemets ni barres obliques inverses, séparés par un espace.
error-second-factor-there = Il y a déjà un second facteur.
error-second-factor-locked = Trop de codes incorrects ont été saisis. Utilisez un code de secours, ou demandez à un administrateur un lien pour définir un nouveau mot de passe.
error-secrets-full = { $most ->
    [one] Un secret au maximum : supprimez-le d’abord.
   *[other] { $most } secrets au maximum : supprimez-en d’abord un.
}
error-session-over = Votre session a pris fin entre-temps. Connectez-vous de nouveau.
error-sign-in-wrong = L’adresse e-mail ou le mot de passe est incorrect.
error-span-unusable = Ce n’est pas une durée.
error-too-many-failures = { $seconds ->
    [one] Trop d’essais infructueux. Réessayez dans { $seconds } seconde.
   *[other] Trop d’essais infructueux. Réessayez dans { $seconds } secondes.
}
error-too-many-reports = Votre compte a lancé trop de requêtes lentes à la fois. Réessayez dans quelques secondes.
error-user-beyond-you = Cette personne dispose de droits que vous n’avez pas.
error-unregistered = Cette application ne s’est pas enregistrée elle-même : elle n’a pas de jeton d’accès d’enregistrement.
error-uses-missing = Le nombre d’utilisations est d’au moins un.

## De même pour ce qui n’a pas de mots à soi, par son code

error-invalid-request = La requête est incompréhensible.
error-invalid-client = L’authentification a échoué.
error-unauthorized-client = L’application n’a pas le droit de faire cela.
error-unsupported-response-type = Ce type de réponse n’est pas pris en charge.
error-unsupported-grant-type = Ce type d’autorisation n’existe pas.
error-invalid-scope = Cette portée n’est pas possible.
error-invalid-target = Ce serveur de ressources ne peut pas être utilisé.
error-invalid-token = Le jeton n’est pas valable.
error-insufficient-scope = Votre rôle ne le permet pas.
error-invalid-client-metadata = Ces valeurs ne sont pas possibles.
error-invalid-redirect-uri = Cet URI de redirection n’est pas possible.
error-access-denied = Votre rôle ne le permet pas.
error-not-found = Il n’y a rien ici.
error-method-not-allowed = Cette page ne peut pas être demandée ainsi.
error-conflict = Cela entre en conflit avec ce qui existe.
error-precondition-failed = Une modification a eu lieu entre-temps.
error-idempotency-key-reused = Ce formulaire a déjà été envoyé, avec d’autres valeurs.
error-temporarily-unavailable = Le service ne peut pas répondre pour l’instant.
error-server-error = Un problème est survenu ici.

## Pourquoi une authentification a échoué

reason-no-authentication = pas d’authentification du client dans la requête
reason-unreadable-authorization = en-tête Authorization illisible
reason-secret-without-client = client_secret sans client_id
reason-unknown-client = client inconnu
reason-client-disabled = l’application est désactivée
reason-wrong-method = l’application est enregistrée avec { $method }
reason-not-a-secret = ce qui a été présenté n’est pas un secret client, ou est mal recopié
reason-no-such-secret = pas de secret { $id } : supprimé, ou d’une autre application
reason-wrong-secret = secret incorrect, sous l’identifiant { $id }
reason-secret-ended = le secret { $id } a expiré { $at }
reason-assertion-not-a-jwt = l’assertion n’est pas un JWT
reason-assertion-algorithm = l’assertion est signée avec un algorithme qui n’est pas accepté
reason-assertion-critical-header = l’assertion a un en-tête critique qui n’est pas compris
reason-assertion-no-keys = l’application n’a pas de clés
reason-assertion-keys-unreadable = les clés de l’application sont illisibles
reason-assertion-keys-unreachable = les clés de l’application ne peuvent pas être récupérées
reason-assertion-no-usable-key = aucune des clés de l’application ne permet de vérifier une assertion
reason-assertion-no-fitting-key = l’application n’a pas de clé qui convienne à l’assertion
reason-assertion-wrong-signature = la signature de l’assertion n’est pas celle de la clé de l’application
reason-assertion-unreadable = l’assertion est illisible
reason-assertion-wrong-client = iss et sub de l’assertion ne sont pas l’ID client
reason-assertion-wrong-audience = aud de l’assertion est { $aud }, et non l’émetteur seul
reason-assertion-for-token-endpoint = aud de l’assertion est le point de terminaison des jetons au lieu de l’émetteur ; indiquez l’émetteur dans l’application, ou demandez à un opérateur d’activer assertion_for_token_endpoint
reason-assertion-ended = { $seconds ->
    [one] l’assertion a expiré il y a { $seconds } seconde
   *[other] l’assertion a expiré il y a { $seconds } secondes
}
reason-assertion-too-long = l’assertion expire dans { $seconds } secondes, et { $most } est le maximum
reason-assertion-not-begun = { $seconds ->
    [one] l’assertion ne commence que dans { $seconds } seconde
   *[other] l’assertion ne commence que dans { $seconds } secondes
}
reason-assertion-used = l’assertion a déjà servi
reason-no-initial-token = pas de jeton d’accès initial
reason-unknown-initial-token = jeton d’accès initial inconnu
reason-wrong-initial-token = jeton d’accès initial incorrect
reason-initial-token-ended = le jeton d’accès initial a expiré
reason-initial-token-used-up = le jeton d’accès initial est épuisé
reason-no-registration-token = pas de jeton d’accès à l’enregistrement
reason-wrong-registration-token = jeton d’accès à l’enregistrement incorrect
reason-not-registered-by-itself = application inconnue, ou qui ne s’est pas enregistrée elle-même
reason-token-too-long = trop long pour un jeton
reason-not-a-token = pas un JWT
reason-token-header-unreadable = l’en-tête du jeton est illisible
reason-token-wrong-type = le jeton n’est pas du type at+jwt ou JWT
reason-token-critical-header = le jeton a un en-tête critique qui n’est pas compris
reason-token-unknown-key = le jeton est signé par une clé inconnue
reason-token-signing-key-retired = la clé de signature du jeton est retirée
reason-token-wrong-algorithm = l’algorithme du jeton n’est pas celui de sa clé
reason-token-signature-unreadable = la signature du jeton est illisible
reason-token-wrong-signature = signature du jeton incorrecte
reason-token-claims-unreadable = les claims du jeton sont illisibles
reason-token-of-another-issuer = le jeton est d’un autre émetteur
reason-token-ended = le jeton a expiré
reason-token-ended-by-later-clock = le jeton a expiré ; l’horloge du serveur retarde de plus d’un jour
reason-token-revoked = le jeton est révoqué
reason-all-tokens-revoked = tous les jetons de l’application ont été révoqués
reason-token-api-key-ended = la clé d’API contre laquelle il a été échangé a pris fin
reason-token-without-record = il n’y a pas trace d’un tel jeton
reason-not-a-key = pas une clé d’API, ou mal recopiée
reason-no-such-key = cette clé d’API n’existe pas
reason-key-revoked = la clé d’API { $name } a été révoquée
reason-wrong-key = clé d’API incorrecte
reason-key-ended = la clé d’API a expiré
reason-address-not-allowed = présentée depuis une adresse qui n’est pas autorisée
reason-scope-malformed = portée demandée mal formée
reason-scope-not-allowed = portée demandée sans y avoir droit : { $scope }
reason-resource-not-allowed = serveur de ressources demandé sans y avoir droit : { $resource }
reason-grant-type-not-allowed = type d’autorisation demandé sans y avoir droit : { $grant_type }
reason-insufficient-scope = la requête exigeait la portée { $scope }
reason-wrong-resource-server = présenté à { $resource }, auquel il n’est pas destiné
reason-wrong-password = adresse e-mail ou mot de passe incorrect
reason-wrong-current-password = mot de passe actuel incorrect
reason-wrong-second-factor = code du second facteur incorrect
reason-second-factor-locked = le second facteur est bloqué après trop de codes incorrects
reason-failures-left-out = { $count } autres échecs d’appelants inconnus n’ont pas été enregistrés
reason-owner-deleted = l’application est supprimée
reason-owner-disabled = l’application est désactivée
reason-not-for-caller = pas destiné à qui l’a demandé
