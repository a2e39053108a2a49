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
month-short = { $month ->
    [1] janv.
    [2] févr.
    [3] mars
    [4] avr.
    [5] mai
    [6] juin
    [7] juil.
    [8] août
    [9] sept.
    [10] oct.
    [11] nov.
   *[other] déc.
}
day = { $day } { month-short } { $year }
date-time-short = { $day } { month-short } { $year }, { $hour }:{ $minute }
date-time = { $day ->
    [1] 1er
   *[other] { $day }
} { month } { $year } à { $hour } h { $minute } { $zone }
date-time-short-zone = { $day } { month-short } { $year }, { $hour }:{ $minute } { $zone }
date-time-both = { $local } ({ $utc })
time-of-day = { $hour }:{ $minute }
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
breadcrumbs = Fil d’Ariane
sign-out = Déconnexion
copy = Copier
copied = Copié
optional = (facultatif)
cancel = Annuler
save = Enregistrer
edit = Modifier
delete = Supprimer
more = Page suivante
older = Entrées plus anciennes
filter = Filtrer
search = Rechercher
clear = Effacer
select-entry = Sélectionner { $name }
close = Fermer
search-field = Nom, adresse e-mail ou ID
search-text = Recherchez par nom, adresse e-mail ou ID. Un nom ou une adresse e-mail se trouve par son début, une clé d’API par son ID.
search-none-text = Aucun élément accessible n’a cet ID, ni un nom ou une adresse e-mail commençant par ce texte.
search-count = { $count ->
    [one] { $count } résultat
   *[other] { $count } résultats
}
search-failed = La recherche a échoué. Réessayez dans un instant.
search-signed-out = Votre session est terminée. Reconnectez-vous dans un autre onglet, puis relancez la recherche.
search-pages = Pages
search-all = Tout afficher
pages = Pages
first-page = Première page
api-reference = Référence de l’API
new-tab = (dans un nouvel onglet)
danger-zone = Zone sensible
never = Jamais
none = Aucun
nothing = Aucun
nobody = Personne
now = Maintenant
command-line = Ligne de commande
application = Application
api-key = Clé d’API
scope = Portée
to-field = Aller au champ
to-start = Retour à l’accueil
try-again = Réessayer
resubmit = Envoyer à nouveau
immediately = Immédiatement
no-expiry = Sans expiration
required = Obligatoire
not-required = Facultatif
as-numbers = Afficher sous forme de tableau
request-id = Identifiant de la requête :
column-actions = Actions
shown-once = Ces informations ne sont affichées qu’une seule fois. Copiez-les maintenant et conservez-les en lieu sûr.

## Menu

menu-now = Supervision
menu-developers = Développement
menu-account = Compte
menu-own-account = Votre compte
menu-server = Serveur
menu-overview = Vue d’ensemble
menu-applications = Applications
menu-api-keys = Clés d’API
menu-registration-tokens = Jetons d’accès initiaux
menu-webhooks = Webhooks
menu-accounts = Comptes
menu-people = Personnes
menu-audit = Journal d’audit
menu-resource-servers = Serveurs de ressources
menu-signing-keys = Clés de signature
menu-profile = Votre profil

## Colonnes

column-name = Nom
column-id = Identifiant
column-client-id = ID client
column-account = Compte
column-scope = Portée
column-state = État
column-created = Création
column-created-by = Auteur
column-last-used = Dernier usage
column-expires = Expiration
column-key = Commence par
column-secret = Secret
column-token = Jeton
column-issued = Émission
column-when = Date
column-why = Motif
column-what = Action
column-who = Auteur
column-target = Cible
column-address = Adresse IP
column-request = ID de requête
column-browser = Navigateur
column-signed-in = Connexion
column-last-seen = Dernière activité
column-uses-left = Utilisations restantes
column-event = Événement
column-attempts = Tentatives
column-response = Dernière réponse
column-next-attempt = Prochaine tentative
column-kid = Identifiant de la clé (kid)
column-algorithm = Algorithme
column-signs-from = Signe à partir du
column-signs-until = Signe jusqu’au
column-second-factor = Deux étapes
column-max-clients = Limite d’applications
column-published-until = Publiée jusqu’au
column-introspects-with = Client d’introspection
open-client = Voir le client

## Champs

field-text = Nom ou ID client
field-account-text = Nom ou identifiant du compte
field-email = Adresse e-mail
field-password = Mot de passe
field-current = Mot de passe actuel
field-new = Nouveau mot de passe
field-code = Code
field-name = Nom
field-account = Compte
field-role = Rôle
field-language = Langue
field-time-zone = Fuseau horaire
field-scope = Portée
field-rights = Autorisations
field-more-scope = Portée supplémentaire
field-resources = Serveurs de ressources
field-auth-method = Méthode d’authentification
field-jwks = Clés publiques (JWK Set)
field-dpop-bound-access-tokens = Exiger DPoP
field-profile = Profil de sécurité
field-certificate-name-kind = Type de nom du certificat
field-certificate-name = Nom du certificat
field-tls-client-certificate-bound-access-tokens = Exiger un certificat client
field-introspect = Autoriser l’introspection des jetons
field-expires-in = Expire après
field-max-clients = Nombre maximal d’applications
field-allowed-ips = Adresses IP autorisées
field-manage-keys = Autoriser la gestion des clés d’API de l’application
field-grace = Maintenir l’ancien valide pendant
field-identifier = Identifiant
field-uses = Nombre maximal d’utilisations
field-url = URL
field-description = Description
field-events = Événements
field-all-events = Tous les événements
field-action = Action
field-actor = Auteur
field-target = Cible
field-request-id = ID de requête
field-since = Du
field-until = Au
field-required = Obligatoire
field-now = Retirer immédiatement
field-link = Lien

## Connexion

sign-in = Se connecter
sign-in-help = Première connexion ? Demandez à votre administrateur un lien pour définir un mot de passe.
continue = Continuer
second-factor = Validation en deux étapes
help-code = Le code à 6 chiffres de votre application d’authentification, ou un code de secours.
help-first-code = Le code à 6 chiffres affiché par l’application.
help-time-zone = Par exemple Europe/Paris. Le portail affiche les heures dans ce fuseau horaire.
help-password = Au moins 10 caractères. Nous recommandons plusieurs mots sans lien entre eux.
help-own-password = Votre mot de passe de connexion.
help-link = Collez le lien que vous avez reçu.
wrong-codes = Vérifiez votre compte
wrong-codes-count = { $count ->
    [one] Un code de validation incorrect a été saisi pour votre compte depuis votre dernière connexion.
   *[other] { $count } codes de validation incorrects ont été saisis pour votre compte depuis votre dernière connexion.
}
wrong-codes-text = Si ce n’était pas vous, une autre personne connaît votre mot de passe. Changez-le dès maintenant.
invitation = Définissez votre mot de passe
invitation-text = Ce lien est personnel et ne fonctionne qu’une seule fois.
invitation-gone = Ce lien n’est plus valide
invitation-gone-text = Le lien a été utilisé ou remplacé, ou il a expiré. Demandez-en un nouveau à la personne qui vous l’a envoyé.
join = Rejoindre un compte
join-gone-text = L’invitation a été acceptée, annulée ou remplacée, ou elle a expiré. Demandez-en une nouvelle à la personne qui vous l’a envoyée.
join-text = Vous êtes connecté en tant que { $email }. Cette invitation vous permet d’utiliser un autre compte avec les mêmes identifiants.
join-sign-in = Pour voir cette invitation, connectez-vous avec l’adresse e-mail qui a reçu l’invitation.
join-signed-in = Vous êtes connecté.
join-second-factor = Exigée dans ce compte
join-second-factor-later = Vous configurerez la validation en deux étapes après avoir rejoint le compte.
join-password-text = Les administrateurs de vos comptes actuels connaissent peut-être votre mot de passe. Choisissez-en un nouveau, connu de vous seul. Vos autres sessions seront déconnectées.
join-accept = Rejoindre le compte
join-decline = Refuser
account-joined = Vous avez rejoint { $account }.
done-invitation-declined = Invitation refusée.
set-password = Définir le mot de passe
resubmission = Envoyer à nouveau vos modifications
resubmission-text = Vous êtes de nouveau connecté. Rien n’a encore été modifié. Voici ce que vous aviez saisi :
resubmission-discard = Abandonner et revenir à l’accueil
form-signed-out = Votre session a expiré. Reconnectez-vous : votre saisie est conservée.
form-other-session = Ce formulaire provient d’une session antérieure, ou votre navigateur bloque les cookies. Rien n’a été modifié.
other-account = Vous avez changé de compte
other-account-text = Vous avez ouvert ce formulaire dans { $opened }. Vous utilisez maintenant { $current } : rien n’a été modifié. Pour continuer, revenez à ce compte et remplissez à nouveau le formulaire.
other-account-switch = Passer à { $account }
other-account-gone = Vous avez ouvert ce formulaire dans un compte que vous ne pouvez plus utiliser. Rien n’a été modifié.
page-of-account = Cette page appartient à un autre compte
page-of-account-text = Cette page appartient à { $account }. Vous utilisez actuellement { $current }.
page-of-account-gone = Cette page appartient à un compte que vous ne pouvez plus utiliser.
account-in-use = Compte :
account-switch = Changer de compte
done-signed-out = Vous êtes déconnecté.
done-password-set = Mot de passe défini. Vous pouvez maintenant vous connecter.

## Profil

preferences = Préférences
language-of-browser = Langue du navigateur
change-password = Changer le mot de passe
change-password-text = Toutes vos autres sessions seront déconnectées.
second-factor-text = Protégez votre compte avec un code d’une application d’authentification, en plus de votre mot de passe.
second-factor-set-up = Configurer la validation en deux étapes
second-factor-first = Votre compte exige la validation en deux étapes. Configurez-la pour continuer.
second-factor-app = Ouvrez une application d’authentification sur votre téléphone, ou installez-en une. Toute application compatible TOTP convient.
second-factor-scan = Scannez ce code QR avec l’application, ou saisissez le secret.
second-factor-qr-code = Code QR du secret. Le secret figure aussi sous forme de texte ci-dessous.
second-factor-type = Secret
second-factor-confirm = Confirmer
second-factor-on = Activée
second-factor-off = Désactivée
second-factor-required = Votre compte exige la validation en deux étapes.
second-factor-replace = Configurer sur un autre appareil
second-factor-remove = Désactiver la validation en deux étapes
recovery-codes = Codes de secours
recovery-codes-left = { $count ->
    [0] Il ne vous reste aucun code de secours. Créez-en de nouveaux.
    [one] Il vous reste un code de secours. Créez-en bientôt de nouveaux.
   *[other] Il vous reste { $count } codes de secours.
}
recovery-codes-text = Un code de secours permet de vous connecter si vous perdez votre appareil. Chaque code ne fonctionne qu’une seule fois. Imprimez-les ou enregistrez-les dans un gestionnaire de mots de passe.
recovery-codes-renew = Créer de nouveaux codes de secours
recovery-codes-saved = Codes enregistrés
sessions = Sessions actives
session-end = Déconnecter
browser-on = { $browser } sur { $system }
browser-unknown = Navigateur inconnu
this-session = Cette session
own-accounts = Vos comptes
own-accounts-text = Vous utilisez les mêmes identifiants pour tous. Passez de l’un à l’autre en haut de chaque page.
account-current = En cours d’utilisation
account-leave = Quitter
account-leave-title = Quitter le compte { $account } ?
account-leave-text = Vous ne pourrez plus utiliser { $account }. Ce que vous y avez créé est conservé. Pour y revenir, vous aurez besoin d’une nouvelle invitation.
done-account-left = Vous avez quitté le compte.
done-password-changed = Mot de passe changé. Toutes les autres sessions ont été déconnectées.
done-second-factor = La validation en deux étapes est activée.
done-second-factor-there = La validation en deux étapes est déjà activée. Si vous avez perdu vos codes de secours, créez-en de nouveaux ci-dessous.
done-second-factor-removed = La validation en deux étapes est désactivée.
done-session-ended = Session déconnectée.

## Applications

applications-none = Pas encore d’application
applications-none-text = Une application est un programme qui appelle des API avec des jetons d’accès ou des clés d’API. Créez-en une par programme et par environnement, afin de pouvoir gérer et révoquer chacune séparément.
all-accounts = Tous les comptes
applications-not-found = Aucun résultat
applications-not-found-text = Aucune application n’a cet ID client, ni un nom qui commence par ce texte.
tab-credentials = Identifiants
tab-access = Accès
tab-activity = Activité
access-text = Ce que cette application peut faire. Chaque jeton d’accès couvre tout ou partie de cette portée, pour un ou plusieurs de ces serveurs de ressources.
access-no-resources = Aucun. Aucun serveur de ressources n’accepte les jetons d’accès de cette application.
access-no-scope = Aucune. La portée des jetons d’accès de cette application est vide.
access-binding = Liaison des jetons
access-binding-text = Un jeton lié n’est utilisable qu’avec la clé pour laquelle il a été émis : un jeton volé est inutilisable.
access-certificate = Certificat client
danger-disable = Suspend tous les secrets, clés d’API et jetons jusqu’à la réactivation de l’application.
danger-delete = Supprime définitivement l’application, avec ses secrets, clés d’API et jetons.
danger-revoke-tokens = Invalide tous les jetons d’accès émis jusqu’ici. L’application peut en obtenir de nouveaux.
application-new = Nouvelle application
application-new-text = Nous créons un ID client, un secret client et une première clé d’API. Le secret et la clé ne sont affichés qu’une seule fois.
application-create = Créer l’application
application-created = Application créée
application-about = Détails
application-authentication = Authentification
help-application-name = Un nom facile à reconnaître, par exemple « Import des commandes, production ».
access-none = Rien ne peut encore être accordé. Demandez à un opérateur d’attribuer une portée et des serveurs de ressources à votre compte.
help-resources = Les API pour lesquelles cette application peut obtenir des jetons d’accès.
help-scope = Ce que cette application peut demander.
scope-undescribed = Vérifiez l’orthographe de la portée. Aucun serveur de ressources ne propose { $unknown }. Valeurs disponibles : { $known }.
help-more-scope = Portées supplémentaires, séparées par des espaces.
rights = API d’administration
help-rights = Ce que cette application peut faire dans Keyward. Sélectionnez aussi l’API d’administration comme serveur de ressources.
help-auth-method = Le secret client est le plus simple. Avec une clé privée, aucun secret n’est jamais transmis.
help-jwks = Obligatoire pour les assertions signées : les clés publiques au format JSON.
help-dpop-bound-access-tokens = Chaque demande de jeton doit comporter une preuve DPoP ; les jetons ne sont utilisables qu’avec la clé de cette preuve.
help-profile = FAPI 2.0 : clés privées ou certificats seulement, aucun secret partagé ni clé d’API, et uniquement des jetons liés à une clé.
help-certificate-name = Obligatoire pour les certificats d’une autorité de certification : le nom que le certificat doit comporter.
help-tls-client-certificate-bound-access-tokens = Chaque demande de jeton doit présenter un certificat client ; les jetons ne sont utilisables qu’avec ce certificat.
help-introspect = Permet de vérifier si les jetons destinés à ses serveurs de ressources sont actifs.
method-client-secret-basic = Secret client (en-tête Basic)
method-client-secret-post = Secret client (corps de la requête)
profile-none = Aucun
profile-fapi2 = FAPI 2.0
method-private-key-jwt = Assertion signée (private_key_jwt)
method-tls-client-auth = Certificat d’une autorité de certification (tls_client_auth)
method-self-signed-tls-client-auth = Certificat enregistré (self_signed_tls_client_auth)
certificate-subject-dn = Sujet (RFC 4514)
certificate-san-dns = Nom DNS
certificate-san-uri = URI
certificate-san-ip = Adresse IP
certificate-san-email = Adresse e-mail
enabled = Activée
disabled = Désactivée
disabled-by-operator = Désactivée par un opérateur
disabled-by-operator-text = Un opérateur a désactivé cette application. Seul un opérateur peut la réactiver.
introspects = Introspection
enable = Activer
disable = Désactiver
client-secret = Secret client
first-token = Obtenir un jeton d’accès
first-key = Première clé d’API
to-application = Voir l’application
done-application-created = Application créée.
done-application-deleted = Application supprimée. Ses secrets, clés d’API et jetons ne fonctionnent plus.
done-saved = Modifications enregistrées.
done-already = Vous avez déjà envoyé ce formulaire. Rien n’a été créé en double.
done-disabled = Application désactivée. Ses secrets, clés d’API et jetons ne fonctionnent plus.
done-enabled = Application activée.
done-tokens-revoked = Tous les jetons de cette application ont été révoqués.
current-values = Valeurs actuelles
registration-access = Jeton d’accès d’enregistrement
registration-access-text = Cette application s’est enregistrée elle-même. Toute personne disposant de son jeton d’accès d’enregistrement peut modifier ou supprimer cet enregistrement.
registration-access-none = Cette application s’est enregistrée elle-même. Sans jeton d’accès d’enregistrement, elle ne peut pas modifier son enregistrement.
registration-access-made = Nouveau jeton d’accès d’enregistrement
registration-access-uri = Point de configuration du client
done-registration-access-revoked = Jeton d’accès d’enregistrement révoqué.
confirm-renew-registration-token = Renouveler le jeton d’accès d’enregistrement
confirm-renew-registration-token-text = { $name } reçoit un nouveau jeton d’accès d’enregistrement, affiché une seule fois. Le jeton actuel cesse immédiatement de fonctionner.
confirm-revoke-registration-token = Révoquer le jeton d’accès d’enregistrement
confirm-revoke-registration-token-text = { $name } continue de fonctionner, mais ne peut plus modifier ni supprimer son enregistrement. Vous pourrez créer un nouveau jeton à tout moment.
confirm-disable = Désactiver l’application
confirm-disable-text = Tous les secrets, clés d’API et jetons de { $name } cesseront immédiatement de fonctionner. Ceux qui n’ont pas expiré fonctionneront à nouveau si vous réactivez l’application.
confirm-delete = Supprimer l’application
confirm-delete-text = Tous les secrets, clés d’API et jetons de { $name } cesseront immédiatement de fonctionner. Cette action est irréversible.
confirm-revoke-tokens = Révoquer tous les jetons
confirm-revoke-tokens-text = Tous les jetons d’accès émis jusqu’ici pour { $name } cesseront immédiatement de fonctionner. L’application peut en obtenir de nouveaux avec son secret.
failures = Échecs récents
failures-none = Aucun échec récent
failures-none-text = Lorsqu’une requête de cette application est rejetée, le motif apparaît ici avec l’identifiant de la requête, à retrouver dans vos journaux.
tokens = Jetons actifs
tokens-none = Aucun jeton actif
tokens-none-text = Les jetons d’accès apparaissent ici dès que l’application en demande. Le démarrage rapide montre comment faire.
tokens-off = Ce serveur n’enregistre pas les jetons.
tokens-more = Seuls les plus récents sont affichés.
bound-to-key = lié à une clé
revoke-all = Révoquer tous les jetons
revoked = Révoqué
active = Actif

## Démarrage rapide

quick-start = Démarrage rapide
quick-start-text = Obtenez un premier jeton d’accès dans votre langage. Le code lit le secret client dans l’environnement : ne placez jamais de secret dans le code.
quick-start-languages = Langages
quick-start-secret = Placez le secret client dans une variable d’environnement. Il a été affiché à sa création ; si vous l’avez perdu, créez-en un autre.
quick-start-key = Placez la clé privée dans un fichier, sous forme de JWK avec l’alg et le kid de la clé publique enregistrée, et le chemin du fichier dans une variable d’environnement.
quick-start-environment = Environnement
quick-start-prepare = Installer les dépendances
quick-start-save = Enregistrer ceci dans { $file }
quick-start-run = Exécuter
quick-start-none = Ce client ne peut pas obtenir de jetons : il ne fait que les introspecter.
quick-start-assertion = Le programme signe une assertion (RFC 7523) avec la clé privée. Les autres bibliothèques ont besoin de ces valeurs :
quick-start-certificate = Chaque demande de jeton de cette application nécessite son certificat client (RFC 8705). Envoyez la demande par TLS mutuel, avec ces valeurs :
token-endpoint = Point de terminaison des jetons

## Secrets client

secrets = Secrets client
secrets-text = Une application obtient des jetons d’accès avec son ID client et un secret client. Plusieurs secrets peuvent être actifs en même temps, ce qui permet de les remplacer sans interruption.
secrets-none = Aucun secret client
secrets-none-text = Sans secret, cette application ne peut pas s’authentifier.
secrets-manage = Gérer les secrets client
secrets-rotate = Remplacer le secret
secrets-rotate-text = Crée un nouveau secret. Tous les autres expirent après le délai choisi.
secret-new = Ajouter un secret
secret-new-text = Crée un secret supplémentaire. Les secrets existants restent actifs jusqu’à leur suppression.
secret-create = Créer un secret
secret-created = Secret client créé
secret-delete = Supprimer le secret
secret-delete-title = Supprimer le secret { $id }
secret-delete-text = Tout ce qui s’authentifie avec ce secret cessera immédiatement de fonctionner. Les jetons déjà émis restent valides jusqu’à leur expiration.
secret-last = C’est le seul secret actif. Sans secret, l’application ne peut pas obtenir de jetons d’accès.
edit-secret = Renommer { $name }
help-secret-name = L’usage du secret, par exemple « Production ».
rename = Renommer
done-secret-updated = Secret client renommé.
to-secrets = Voir les secrets client
done-secret-deleted = Secret client supprimé.

## Clés d’API

keys-text = Une application présente une clé d’API directement à une API. Créez une clé pour chaque usage, afin de pouvoir remplacer chacune séparément.
keys-of = Clés d’API : { $name }
keys-choose = Choisissez une application
keys-none = Aucune clé d’API
keys-none-text = Une clé d’API permet à un programme d’appeler une API sans demander de jeton d’accès au préalable. Créez-en une par programme.
keys-one-left = C’est la seule clé, elle ne peut donc pas être révoquée. Remplacez-la. En cas de fuite, remplacez-la et faites expirer immédiatement l’ancienne clé.
keys-manage = Gérer les clés d’API
keys-full = { $count ->
    [one] Vous avez atteint la limite d’une clé
   *[other] Vous avez atteint la limite de { $count } clés
}
keys-full-text = Révoquez une clé qui n’est plus utilisée pour en créer une nouvelle. Consultez la colonne « Dernier usage ».
key-new = Nouvelle clé d’API
key-create = Créer la clé
key-created = Clé d’API créée
key-rotated = Clé d’API remplacée
key-named = { $name }
key-limits = Restrictions : expiration, portée, serveurs de ressources, adresses IP
key-try = Essayer la clé
ready-header = En-tête Authorization
to-keys = Voir les clés d’API
replaced = Remplacée
manages-keys = Gère les clés
expired = Expirée
rotate = Remplacer
revoke = Révoquer
edit-key = Modifier { $name }
unchanged = Inchangée
rotate-key = Remplacer { $name }
rotate-text = Crée une clé avec le même nom, la même portée et les mêmes adresses IP. L’ancienne expire après le délai choisi.
help-grace = Prévoyez le temps de déployer la nouvelle clé partout.
key-last-used = Dernière utilisation { $when }.
key-never-used = Jamais utilisée.
revoke-key = Révoquer { $name }
keys-revoke-chosen = Révoquer les clés sélectionnées
keys-revoke-title = { $count ->
    [one] Révoquer { $count } clé ?
   *[other] Révoquer { $count } clés ?
}
keys-revoke-text = Tout ce qui utilise ces clés cessera immédiatement de fonctionner. Cette action est irréversible.
revoke-text = Tout ce qui utilise cette clé cessera immédiatement de fonctionner. Cette action est irréversible.
help-key-name = L’usage de la clé, par exemple « Import nocturne ».
help-key-resources = Sans sélection, la clé est valable pour tous les serveurs de ressources de l’application.
help-key-scope = Sans sélection, la clé a toute la portée de l’application.
help-allowed-ips = Une adresse ou une plage par ligne, par exemple 203.0.113.0/24. Laissez vide pour autoriser toutes les adresses.
help-manage-keys = La clé peut créer et révoquer des clés par /apiKeys. N’utilisez pas une telle clé pour appeler d’autres API.
done-key-updated = Clé d’API modifiée.
done-keys-revoked = Clés d’API révoquées.
secrets-delete-selected = Supprimer les secrets sélectionnés
secrets-delete-title = { $count ->
    [one] Supprimer { $count } secret ?
   *[other] Supprimer { $count } secrets ?
}
secrets-delete-text = L’application ne peut plus s’authentifier avec ces secrets, avec effet immédiat. Cette action est irréversible.
secrets-delete-last = Il ne resterait aucun secret actif. Sans secret, l’application ne peut pas obtenir de jetons d’accès.
done-secrets-deleted = Secrets supprimés.
applications-disable-selected = Désactiver la sélection
applications-disable-button = Désactiver
applications-disable-title = { $count ->
    [one] Désactiver { $count } application ?
   *[other] Désactiver { $count } applications ?
}
applications-disable-text = Leurs secrets, clés d’API et jetons cessent immédiatement de fonctionner. Ils fonctionnent de nouveau dès que vous réactivez les applications.
done-applications-disable-done = Applications désactivées.
applications-revoke-tokens-selected = Révoquer les jetons de la sélection
applications-revoke-tokens-button = Révoquer les jetons
applications-revoke-tokens-title = { $count ->
    [one] Révoquer tous les jetons de { $count } application ?
   *[other] Révoquer tous les jetons de { $count } applications ?
}
applications-revoke-tokens-text = Tous les jetons d’accès qui leur ont été délivrés jusqu’ici cessent immédiatement de fonctionner. Elles peuvent en obtenir de nouveaux. Cette action est irréversible.
done-applications-revoke-tokens-done = Jetons révoqués.
done-key-revoked = Clé d’API révoquée.

## Personnes

person-invite = Inviter une personne
person-invite-text = Nous créons un lien qui permet de définir un mot de passe, ou de rejoindre ce compte si la personne dispose déjà d’identifiants. Vous le lui transmettez.
person-invited = Invitation, expire
person-active = Accès actif
person-no-password = Sans mot de passe
danger-person-remove = Met fin à toutes ses sessions. Ce que cette personne a créé est conservé.
people-not-found-text = Aucune adresse e-mail ne commence par ce texte.
person-remove = Retirer
person-remove-title = Retirer { $email }
person-remove-last-text = { $email } ne pourra plus se connecter : ce compte est le seul de cette personne, ses identifiants sont donc supprimés et toutes ses sessions déconnectées. Ce que cette personne a créé est conservé.
people-gone = Élément introuvable
person-remove-text = { $email } ne pourra plus se connecter, et toutes ses sessions seront déconnectées. Ce que cette personne a créé est conservé.
person-yourself = C’est vous. Gérez votre mot de passe et la validation en deux étapes dans votre profil.
person-in-other-accounts = Cette personne appartient aussi à un autre compte : seul un opérateur peut définir son mot de passe, réinitialiser la validation en deux étapes ou modifier ses préférences. Elle peut réinitialiser son mot de passe par e-mail, si l’envoi d’e-mails est configuré, ou contacter un opérateur.
danger-person-remove-from-account = Cette personne ne pourra plus utiliser ce compte. Ce qu’elle a créé est conservé.
person-remove-from-account-text = { $email } ne pourra plus utiliser le compte { $account }. Ce que cette personne a créé est conservé.
account-invitations = Invitations en attente
account-invitations-text = Ces personnes appartiennent à un autre compte. Elles rejoignent celui-ci lorsqu’elles acceptent.
account-invitations-more = Seules les { $count } plus récentes sont affichées. L’API les liste toutes : GET /api/v1/account-invitations.
account-invitations-more-operator = Seules les { $count } plus récentes sont affichées. La commande « keyward account-invitation list » et l’API (GET /api/v1/account-invitations) les listent toutes.
account-invitation-withdraw = Annuler l’invitation
account-invitation-created-text = { $email } dispose déjà d’identifiants. Cette personne rejoint le compte lorsqu’elle ouvre ce lien et accepte.
done-account-invitation-withdrawn = Invitation annulée.
help-role = Les lecteurs voient les applications. Les développeurs gèrent aussi les applications et les clés d’API. Les administrateurs gèrent aussi les personnes.
help-person-account = Ignoré pour les opérateurs, qui n’appartiennent à aucun compte.
role-operator = Opérateur
role-administrator = Administrateur
role-developer = Développeur
role-viewer = Lecteur
role-change = Rôle
link = Lien d’invitation
link-created = Lien d’invitation créé
link-text = Envoyez ce lien à { $email } par un canal que personne d’autre ne peut lire.
link-lifetime = Il fonctionne une seule fois et expire dans { $span }.
link-new = Créer un nouveau lien
link-new-text = Pour une personne qui a oublié son mot de passe ou perdu son lien. Les liens antérieurs cessent de fonctionner.
second-factor-reset = Réinitialiser la validation en deux étapes
second-factor-reset-text = Pour une personne qui a perdu à la fois son appareil et ses codes de secours. Vérifiez d’abord son identité.
policy-on = La validation en deux étapes est obligatoire pour toutes les personnes de ce compte.
policy-off = La validation en deux étapes est facultative dans ce compte.
policy-turn-on = Rendre obligatoire
policy-turn-off = Rendre facultative
to-people = Voir les personnes
done-person-deleted = Personne supprimée.
done-person-removed = Personne retirée.

## Comptes

accounts-none = Pas encore de compte
accounts-none-text = Un compte correspond à un partenaire, avec ses propres personnes et applications.
accounts-not-found-text = Aucun compte n’a cet identifiant, ni un nom qui commence par ce texte.
help-account-text = Le nom ou l’identifiant du compte.
account-new = Nouveau compte
account-create = Créer le compte
field-mail-language = Langue des e-mails
help-mail-language = Pour les membres de ce compte qui n’ont pas choisi de langue dans leur profil.
mail-language-default = Par défaut ({ $language })
account-limits = Limites
account-limits-text = Si vous avez besoin de plus, demandez à un opérateur.
account-limit-used = { $used } sur { $limit }
account-limit-api-keys = Clés d’API par application
account-limit-secrets = Secrets client par application
account-limit-trust-rules = Règles de confiance par application
account-closed = Compte fermé
account-closed-since = Ce compte a été fermé le { $at }. Ses applications et ses utilisateurs sont refusés.
account-close = Fermer le compte
account-close-title = Fermer le compte { $name } ?
account-close-text = Ses applications, ses clés et ses jetons sont refusés immédiatement et ses utilisateurs sont déconnectés. Vous pouvez rouvrir le compte à tout moment.
account-close-clients = { $count ->
    [0] Il n’a aucune application.
    [one] Cela concerne { $count } application.
   *[other] Cela concerne { $count } applications.
}
account-reopen = Rouvrir le compte
help-account-name = Le nom du partenaire.
help-max-clients = Le nombre d’applications que le compte peut créer. Laissez vide pour la valeur par défaut. Abaisser la limite n’affecte pas les applications existantes.
done-account-closed = Compte fermé.
done-account-reopened = Compte rouvert.
done-account-created = Compte créé. Créez maintenant sa première application ou invitez une personne.

## Serveurs de ressources

resources-none = Pas encore de serveur de ressources
resources-none-text = Un serveur de ressources est une API qui accepte des jetons d’accès et des clés d’API. Son identifiant est l’audience de ses jetons.
resource-new = Nouveau serveur de ressources
resource-new-text = Nous créons aussi un client avec lequel il introspecte les jetons.
resource-create = Créer le serveur de ressources
resource-created = Serveur de ressources créé
resource-created-text = L’API utilise ces identifiants pour vérifier si un jeton ou une clé d’API est actif.
resource-delete = Supprimer le serveur de ressources
resource-delete-text = { $identifier } et son client d’introspection seront supprimés.
help-identifier = Un URI tel que https://orders.example/. Il ne pourra pas être modifié.
help-resource-scope = Les portées que les applications peuvent demander, séparées par des espaces.
field-token-typ = Type de jeton
help-token-typ = L’en-tête typ de ses jetons d’accès. Choisissez JWT si la bibliothèque de l’API refuse at+jwt, comme Spring Security.
typ-at-jwt = at+jwt (RFC 9068)
typ-jwt = JWT
field-signing-alg = Algorithme de signature
help-signing-alg = L’algorithme qui signe ses jetons d’accès. Tant qu’aucune clé de cet algorithme n’est prête à signer, les jetons sont signés avec RS256.
introspect-line = Introspecter un jeton
to-resource-servers = Voir les serveurs de ressources
done-resource-deleted = Serveur de ressources supprimé.

## Règles de confiance

trust-rules = Règles de confiance
trust-rules-of = Règles de confiance de { $name }
trust-rules-text = Une règle de confiance permet à une charge de travail, comme un job de CI ou un pod Kubernetes, d’obtenir des jetons d’accès au nom de cette application avec le JWT de sa plateforme, sans secret.
trust-rules-none = Aucune règle de confiance
trust-rules-none-text = Créez-en une pour qu’une charge de travail s’authentifie sans secret.
trust-rules-full = Une application peut avoir au plus { $count } règles de confiance. Supprimez-en une pour en créer une autre.
trust-rules-manage = Gérer les règles de confiance
trust-rule-new = Nouvelle règle de confiance
trust-rule-new-text = Où s’exécute la charge de travail ?
trust-rule-for = Nouvelle règle de confiance : { $platform }
trust-rule-create = Créer la règle de confiance
trust-rule-other-platform = Choisir une autre plateforme
trust-rule-keys = Clés de l’émetteur
trust-rule-default-issuer = Par défaut :
trust-rule-single-use = Accepte chaque JWT une seule fois
trust-rule-broad = La condition { $condition } correspond à toutes les charges de travail du cluster ou du domaine de confiance. Limitez-la à un espace de noms ou à un chemin.
trust-rule-sample = Exemple de jeton
trust-rule-sample-text = Les revendications (claims) d’un jeton de cette charge de travail, et celles que la règle vérifie. Les champs vides sont remplacés par des exemples.
trust-rule-incomplete = Remplissez le formulaire pour voir quelles revendications la règle vérifie.
trust-rule-met = Remplie
trust-rule-unmet = Non remplie par l’exemple
trust-rule-matched = Correspond
trust-rule-claims = Revendications
trust-rule-test = Tester un jeton
trust-rule-test-text = Collez un jeton ou un certificat de la charge de travail pour voir quelle règle de confiance l’accepte, ou pourquoi aucune ne l’accepte. Le test n’utilise pas le jeton, et nous ne le conservons pas.
trust-rule-result = Résultat
trust-rule-accepted = Une règle de confiance accepte ce jeton ou ce certificat.
trust-rule-not-accepted = Aucune règle de confiance n’accepte ce jeton ou ce certificat.
trust-rule-delete = Supprimer la règle de confiance
trust-rule-delete-text = Plus aucune charge de travail ne pourra s’authentifier avec cette règle. Les jetons déjà délivrés restent valides jusqu’à leur expiration.
done-trust-rule-created = Règle de confiance créée.
done-trust-rule-enabled = Règle de confiance activée.
done-trust-rule-disabled = Règle de confiance désactivée. Plus aucune charge de travail ne peut s’authentifier avec elle.
done-trust-rule-deleted = Règle de confiance supprimée.
accepted = Accepté
rejected = Refusé
preview = Aperçu
column-claim = Revendication
column-value = Valeur
field-platform = Plateforme
field-jwt = Jeton
help-jwt = Un JWT, comme eyJhbGciOi…
field-certificate = Certificat
help-certificate = Au lieu d’un jeton : un X.509-SVID en PEM, avec ses certificats intermédiaires. Ne collez pas sa clé privée.
field-issuer = Émetteur
help-issuer = La revendication iss des jetons, exactement comme la plateforme l’écrit.
field-conditions = Conditions
help-conditions = Une par ligne, toutes doivent être remplies : revendication=valeur, revendication^=préfixe ou revendication~=motif, où * remplace tout sauf / et « : », et ** remplace tout.
field-audience = Audience
help-audience = La revendication aud des jetons. Laissez ce champ vide si la plateforme peut y écrire l’adresse de ce service.
field-single-use = Accepter chaque jeton une seule fois
help-single-use = Les plateformes laissent une charge de travail réutiliser le même jeton jusqu’à son expiration. Cochez cette case seulement si chaque exécution en reçoit un nouveau.
help-trust-jwks = Uniquement pour un émetteur que ce service ne peut pas joindre : ses clés publiques sous forme de JWK Set.
field-jwks-uri = URL des clés
help-trust-bundle = Le bundle du domaine de confiance, au format JSON de SPIFFE. Sans son adresse, saisissez-en un nouveau avant que le domaine n’utilise sa prochaine clé.
help-trust-bundle-uri = Le point de terminaison de bundle du domaine de confiance, avec un certificat web (https_web).
help-trust-jwks-uri = Uniquement si l’émetteur n’a pas de document de découverte.
field-repository = Dépôt
help-repository = Le propriétaire et le dépôt, par exemple acme/app.
field-repository-id = ID du dépôt
help-repository-id = L’identifiant numérique du dépôt. Il ne change pas quand le dépôt est renommé, et n’est pas réattribué si quelqu’un d’autre reprend son nom.
field-ref = Branche ou tag
help-ref = Une branche comme main, ou un tag comme refs/tags/v1. Si ce champ est vide, toutes les branches sont acceptées, même non relues.
field-environment = Environnement
help-environment = L’environnement de déploiement du job, par exemple production.
field-project = Projet
help-project = Le groupe et le projet, par exemple acme/app.
field-namespace = Espace de noms
help-namespace = L’espace de noms Kubernetes du pod.
field-service-account = Compte de service
help-service-account = Sur Kubernetes, son nom ; sur Google Cloud, son adresse e-mail.
field-spiffe-id = ID SPIFFE
help-spiffe-id = Par exemple spiffe://acme.example/ns/payments/sa/batch.
field-role-arn = ARN du rôle
help-role-arn = Par exemple arn:aws:iam::123456789012:role/batch.
field-tenant = ID du locataire
help-tenant = L’ID d’annuaire de votre locataire Microsoft Entra.
field-object-id = ID d’objet
help-object-id = L’ID d’objet de l’identité managée. Ce n’est pas l’ID client.
platform-github-actions = GitHub Actions
platform-github-actions-text = Accepte les jobs d’un dépôt.
platform-gitlab = GitLab CI/CD
platform-gitlab-text = Accepte les jobs d’un projet, sur GitLab.com ou sur votre propre GitLab.
platform-kubernetes = Kubernetes
platform-kubernetes-text = Accepte les pods d’un compte de service.
platform-spiffe = SPIFFE (JWT-SVID)
platform-spiffe-text = Accepte les JWT-SVID d’un ID SPIFFE.
platform-spiffe-x509 = SPIFFE (X.509-SVID)
platform-spiffe-x509-text = Accepte les X.509-SVID d’un ID SPIFFE : la charge de travail s’authentifie avec son certificat en TLS mutuel.
platform-aws = AWS
platform-aws-text = Accepte les charges de travail d’un rôle IAM, par fédération d’identité sortante.
platform-gcp = Google Cloud
platform-gcp-text = Accepte les charges de travail d’un compte de service.
platform-azure = Azure
platform-azure-text = Accepte une identité managée.
platform-custom = Autre émetteur
platform-custom-text = Accepte les jetons de tout émetteur qui remplissent vos conditions.
platform-id-jag = Fournisseur d’identité (ID-JAG)
platform-id-jag-text = Permet à cette application d’échanger une assertion d’identité de votre fournisseur d’identité contre un jeton d’accès de l’utilisateur (Cross App Access). L’application doit aussi s’authentifier.
detail-yes = Oui
detail-no = Non
detail-trust-rule = Règle de confiance
detail-issuer = Émetteur
detail-claims = Revendications
detail-role = Rôle
detail-email-notices = Notifications par e-mail
detail-client-id = ID client

## Jetons d’accès initiaux

registration-text = Avec un jeton d’accès initial, un programme peut s’enregistrer lui-même comme application (RFC 7591), dans les limites de ce jeton.
registration-none = Aucun jeton d’accès initial
registration-none-text = Créez-en un pour qu’un pipeline de déploiement ou un programme d’installation enregistre lui-même ses applications.
registration-new = Nouveau jeton d’accès initial
registration-create = Créer le jeton
registration-created = Jeton d’accès initial créé
registration-token = Jeton d’accès initial
registration-line = Enregistrer une application
registration-delete = Supprimer le jeton d’accès initial
registration-delete-text = Plus aucune application ne pourra s’enregistrer avec ce jeton. Les applications déjà enregistrées sont conservées.
help-registration-scope = La portée maximale d’une application enregistrée avec ce jeton.
help-uses = Le nombre d’applications qui peuvent s’enregistrer avec ce jeton. Laissez vide pour ne pas fixer de limite.
any-number = Illimité
used-up = Épuisé
to-registration-tokens = Voir les jetons d’accès initiaux
done-registration-deleted = Jeton d’accès initial supprimé.

## Webhooks

webhook = Webhook
webhooks-text = Un webhook envoie les événements à votre serveur dès qu’ils se produisent : clés créées ou bientôt expirées, modifications d’applications, connexions. Votre serveur vérifie la signature de chaque envoi.
webhooks-none = Aucun webhook
webhooks-none-text = Créez-en un pour être averti avant l’expiration d’une clé, ou pour alimenter vos propres alertes.
webhook-new = Nouveau webhook
webhook-new-text = Les événements sont envoyés en JSON par des requêtes POST, signées selon la spécification Standard Webhooks.
webhook-create = Créer le webhook
webhook-created = Webhook créé
webhook-edit = Modifier le webhook
webhook-secret = Secret de signature
webhook-secret-text = Votre serveur vérifie les envois avec ce secret.
to-webhook = Voir le webhook
webhook-all-accounts = Tous les comptes et le serveur
webhook-all-events = Tous les événements
webhook-failing = En échec
webhook-disabled-failures = Désactivé après des échecs
webhook-old-secret = Ancien secret valable jusqu’à
webhook-deliveries = Envois
webhook-deliveries-none = Rien n’a encore été envoyé.
webhook-test = Envoyer un événement de test
webhook-resend = Renvoyer
webhook-rotate = Renouveler le secret
webhook-rotate-text = Les envois sont signés avec les deux secrets jusqu’à l’expiration de l’ancien, pour que vous puissiez le remplacer sans perdre d’événements.
webhook-rotated = Secret renouvelé
webhook-delete = Supprimer le webhook
webhook-delete-text = Plus rien n’est envoyé à cette URL, et ses envois ne sont plus affichés.
webhook-event-id = ID de l’événement
webhook-last-attempt = Dernière tentative
webhook-duration = Durée
webhook-body = Contenu
delivery-pending = En attente
delivery-delivered = Reçu
delivery-failed = Échec
delivery-failure-status = Refusé par votre serveur
delivery-failure-redirect = Redirection non suivie
delivery-failure-timeout = Pas de réponse à temps
delivery-failure-address = Hôte inconnu ou non public
delivery-failure-connection = Échec de la connexion
delivery-failure-tls = Certificat TLS non accepté
delivery-failure-protocol = Réponse HTTP non valide
delivery-failure-secret = Secret de signature impossible à déchiffrer
help-webhook-url = Une URL https de votre serveur.
help-all-events = Y compris ceux qui seront ajoutés plus tard. Sinon, choisissez les événements ci-dessous.
done-webhook-enabled = Webhook activé. Les événements en attente sont envoyés maintenant.
done-webhook-disabled = Webhook désactivé.
done-webhook-tested = L’événement de test est en cours d’envoi. Rechargez cette page pour voir la réponse.
done-webhook-resent = L’événement est de nouveau en cours d’envoi.
done-webhook-deleted = Webhook supprimé.

## Clés de signature

signing-keys-text = Ces clés signent les jetons d’accès, chacune avec l’algorithme exigé par le serveur de ressources. Une nouvelle clé est publiée avant de signer, et une ancienne clé reste publiée jusqu’à l’expiration de son dernier jeton.
signing-keys-timeline = Chronologie
signing-key-rotate = Remplacer la clé
signing-key-rotate-text = Publie une nouvelle clé maintenant. Elle commence à signer dès que chaque serveur de ressources a pu la récupérer.
field-algorithm = Algorithme
help-algorithm = La nouvelle clé remplace la clé de cet algorithme.
key-state-published = Publiée
key-state-signing = Active
key-state-retiring = En cours de retrait
key-state-gone = Retirée
retire = Retirer
retire-key = Retirer { $kid }
retire-text = Une autre clé prend le relais dès que chaque serveur de ressources a pu la récupérer. Les jetons signés par cette clé restent valides jusqu’à leur expiration.
retire-now-text = Ne retirez la clé immédiatement qu’en cas de fuite de la clé privée : tous ses jetons cesseront de fonctionner.
retire-now = Retirer immédiatement
done-signing-key-rotated = Nouvelle clé publiée.
done-signing-key-retired = Clé retirée.

## Journal d’audit

audit-none = Aucune entrée
audit-none-text = Aucune entrée ne correspond à ce filtre.
audit-none-yet = Aucune entrée correspondante parmi les plus récentes. De plus anciennes peuvent correspondre.
audit-export-csv = Exporter en CSV
audit-export-jsonl = Exporter en JSON Lines
all-actions = Toutes les actions
action-account-close = Compte fermé
action-account-create = Compte créé
action-account-invitation-accept = Compte rejoint
action-account-invitation-create = Invitation à rejoindre le compte créée
action-account-invitation-decline = Invitation à rejoindre le compte refusée
action-account-invitation-delete = Invitation à rejoindre le compte annulée
action-account-invitation-refused = Invitation à rejoindre le compte non créée : personne ne peut l’accepter à cette adresse
action-membership-delete = Personne retirée du compte
action-membership-leave = Compte quitté
action-account-reopen = Compte rouvert
action-account-update = Compte modifié
action-api-key-create = Clé d’API créée
action-api-key-delete = Clé d’API révoquée
action-api-key-expire-soon = Clé d’API bientôt expirée
action-api-key-revoke = Clé d’API révoquée par son détenteur
action-api-key-rotate = Clé d’API remplacée
action-api-key-update = Clé d’API modifiée
action-authentication-failure = Échec d’authentification
action-client-create = Application créée
action-client-delete = Application supprimée
action-client-disable = Application désactivée
action-client-enable = Application activée
action-client-renew-registration-token = Jeton d’accès d’enregistrement renouvelé
action-client-revoke-registration-token = Jeton d’accès d’enregistrement révoqué
action-client-update = Application modifiée
action-clock-reset = Horloge réinitialisée et tous les jetons révoqués
action-database-restore = Base de données restaurée depuis une sauvegarde
action-registration-token-create = Jeton d’accès initial créé
action-registration-token-delete = Jeton d’accès initial supprimé
action-resource-create = Serveur de ressources créé
action-resource-update = Serveur de ressources modifié
action-resource-delete = Serveur de ressources supprimé
action-sealing-key-prune = Anciennes clés de scellement supprimées
action-sealing-key-reset = Clé de scellement remplacée après une perte
action-sealing-key-rotate = Clé de scellement remplacée
action-secret-create = Secret client créé
action-secret-delete = Secret client supprimé
action-secret-expire-soon = Secret client bientôt expiré
action-secret-rotate = Secret client remplacé
action-secret-update = Secret client renommé
action-session-create = Connexion
action-session-end = Déconnexion
action-session-failure = Échec de connexion
action-session-switch-account = Changement de compte
action-signing-key-create = Clé de signature créée
action-signing-key-import = Clé de signature importée
action-signing-key-retire = Clé de signature retirée
action-signing-key-rotate = Clé de signature remplacée
action-signing-key-update = Publication de la clé de signature prolongée
action-token-issue = Jeton délivré par une règle de confiance
action-token-refused = Jeton refusé
action-token-revoke = Jeton révoqué
action-token-revoke-all = Tous les jetons révoqués
action-trust-rule-create = Règle de confiance créée
action-trust-rule-delete = Règle de confiance supprimée
action-trust-rule-disable = Règle de confiance désactivée
action-trust-rule-enable = Règle de confiance activée
action-user-accept-invitation = Invitation acceptée
action-user-change-password = Mot de passe changé
action-user-create = Personne créée
action-user-delete = Personne retirée
action-user-invite = Lien d’invitation créé
action-user-remove-second-factor = Validation en deux étapes désactivée
action-user-renew-recovery-codes = Codes de secours remplacés
action-user-reset-second-factor = Validation en deux étapes réinitialisée
action-user-set-password = Mot de passe défini
action-user-set-preferences = Préférences modifiées
action-user-set-role = Rôle modifié
action-user-set-second-factor = Validation en deux étapes configurée
action-verification-refused = Requête refusée par /verify
action-webhook-create = Webhook créé
action-webhook-delete = Webhook supprimé
action-webhook-disable = Webhook désactivé
action-webhook-enable = Webhook activé
action-webhook-resend = Événement renvoyé
action-webhook-rotate = Secret de webhook renouvelé
action-webhook-test = Événement de test envoyé
action-webhook-update = Webhook modifié

## Vue d’ensemble

as-of = Mis à jour à { $when } { $zone }.
pause = Suspendre l’actualisation
resume = Reprendre l’actualisation
last-hour = Dernière heure
last-day = Dernières 24 heures
tokens-issued = Jetons émis
introspections = Introspections
verifications = Requêtes /verify
failures-count = Échecs
token-p95 = Latence des jetons, p95
introspection-p95 = Latence de l’introspection, p95
p50 = p50
p95 = p95
chart-rate = Requêtes par minute
chart-failures = Échecs par minute
chart-token-times = Latence des jetons (ms)
chart-introspection-times = Latence de l’introspection (ms)
chart-day = Requêtes par heure
chart-day-failures = Échecs par heure
top-clients = Applications les plus actives
top-none = Pas encore de trafic
top-none-text = Les applications apparaissent ici dès qu’elles obtiennent des jetons d’accès ou utilisent leurs clés d’API.

## Erreurs

failed-not-found = Page introuvable
failed-not-found-text = Cette page n’existe pas, ou vous n’y avez pas accès.
failed-unavailable = Service temporairement indisponible
failed-unavailable-text = La base de données est injoignable. Rien n’a été modifié. Réessayez dans un instant.
failed-resubmit = Votre saisie est conservée. Réessayez dans un instant.
failed-too-many = Trop de requêtes
failed-too-many-text = Patientez un instant, puis réessayez.
failed-denied = Accès refusé
failed-denied-text = Votre rôle ne le permet pas. Contactez un administrateur de votre compte.
failed-fault = Une erreur s’est produite
failed-fault-text = Un opérateur peut retrouver les détails dans le journal du serveur grâce à l’identifiant de requête ci-dessous.
failed-refused = Requête refusée
failed-refused-text = La requête n’est pas valide.

refusal-not-found = { $name } n’existe pas.
refusal-client-changed = Une autre personne a modifié ces données entre-temps. Vérifiez les valeurs actuelles ; un nouvel enregistrement les remplacera.
refusal-name-length = Un nom doit comporter de 1 à { $limit } caractères.
refusal-name-characters = Un nom ne peut ni commencer ni se terminer par un espace, ni contenir de caractères invisibles.
refusal-expiry-in-the-past = Choisissez une date d’expiration future.
refusal-too-many-reports = Votre compte a trop de requêtes lentes en cours. Réessayez dans quelques secondes.
refusal-cross-site-form = Ce formulaire a été envoyé depuis un autre site. Rien n’a été modifié.
refusal-language-unknown = Choisissez une langue de la liste.
refusal-time-zone-unknown = Le fuseau horaire « { $name } » n’existe pas. Saisissez un nom tel que Europe/Paris.
refusal-invalid-duration = Saisissez une durée telle que 30d.
refusal-invalid-integer = Saisissez un nombre entier.
refusal-invalid-date = Saisissez une date.
refusal-invalid-scope = Saisissez des portées séparées par des espaces, sans guillemets ni barres obliques inverses.
refusal-right-not-held = Vous ne disposez pas de l’autorisation { $right } et ne pouvez donc pas l’accorder.
refusal-right-unknown = L’autorisation { $right } n’existe pas. Les portées qui commencent par « keyward: » sont réservées.
refusal-right-needs-management = Pour utiliser l’autorisation { $right }, l’application doit aussi avoir le serveur de ressources { $resource }.
refusal-registrant-right = Une application qui s’enregistre elle-même ne peut pas recevoir l’autorisation { $right }.
refusal-registrant-management = Une application qui s’enregistre elle-même ne peut pas utiliser l’API d’administration.
refusal-resource-unknown = { $name } n’existe pas.
refusal-resource-not-in-account = Aucune application de votre compte ne peut utiliser { $resource }. Contactez un opérateur.
refusal-scope-not-in-account = Aucune application de votre compte n’a la portée { $scope } sans serveur de ressources. Sélectionnez-en un ou contactez un opérateur.
refusal-scope-and-resource-not-in-account = Aucune application de votre compte n’a la portée { $scope } pour { $resource }. Contactez un opérateur.
refusal-too-many-combinations = Cela combine trop de portées et de serveurs de ressources pour une seule application. Créez plutôt plusieurs applications.
refusal-trust-rules-full = Une application peut avoir au plus { $limit } règles de confiance. Supprimez-en une d’abord.
refusal-client-of-disabled-trust-rule = Un opérateur a désactivé une règle de confiance de cette application. Seul un opérateur peut la supprimer.
refusal-trust-issuer-disabled-by-operator = Un opérateur a désactivé une règle de confiance de ce compte pour cet émetteur. Seul un opérateur peut en créer une autre ou la supprimer.
refusal-trust-rule-profile = Cette application a le profil de sécurité { $profile }, qui n’autorise pas les JWT d’autres émetteurs.
refusal-trust-rule-disabled-by-operator = Un opérateur a désactivé cette règle de confiance. Seul un opérateur peut la réactiver.
refusal-trust-issuer = Saisissez une URL https, sans paramètres ni fragment.
refusal-trust-issuer-own = C’est l’adresse de ce service. Saisissez un autre émetteur.
refusal-trust-domain = Saisissez un domaine de confiance tel que spiffe://acme.example, sans chemin.
refusal-trust-domain-keys = Saisissez le bundle du domaine de confiance, ou l’adresse de son point de terminaison de bundle.
refusal-trust-keys-twice = Saisissez les clés ou leur adresse, mais pas les deux.
refusal-trust-jwks = Saisissez un JWK Set avec des clés publiques valides.
refusal-trust-jwks-uri = Saisissez une URL https.
refusal-trust-audience = Saisissez de 1 à { $limit } caractères, sans espaces ni accents.
refusal-trust-id-jag-issuer = Saisissez l’URL https de votre fournisseur d’identité.
refusal-trust-id-jag-audience = Laissez l’audience vide : c’est l’adresse de ce service.
refusal-trust-svid-audience = Laissez l’audience vide : un certificat n’en a pas.
refusal-trust-svid-single-use = Décochez cette case : une charge de travail présente le même certificat jusqu’à son expiration.
refusal-trust-svid-condition = Saisissez uniquement des conditions sur sub, qui est l’ID SPIFFE. Un certificat n’a pas de { $claim }.
refusal-trust-conditions = Saisissez de 1 à 10 conditions telles que sub=batch, une par ligne. Les revendications iss, aud, exp, nbf et iat sont vérifiées automatiquement.
refusal-trust-no-identity = Ces conditions n’identifient pas de charge de travail. Ajoutez-en une sur sub, ou sur une revendication telle que repository_id ou email, qui commence par un texte fixe.
refusal-trust-shared-issuer = { $issuer } émet des jetons pour tous ses clients. Ajoutez une condition qui limite la règle aux vôtres : { $forms }.
refusal-trust-preset-value = Remplissez ce champ.
refusal-trust-preset-value-unused = Ce champ ne s’applique pas à cette plateforme.
refusal-trust-preset-value-malformed = Saisissez une valeur telle que { $example }.
refusal-account-closed = Ce compte est fermé. Un opérateur peut le rouvrir.
refusal-account-not-closable = Le compte « { $name } » appartient à Keyward et ne peut pas être fermé.
refusal-account-exists = Ce nom est déjà utilisé.
refusal-user-exists = Une personne avec cette adresse e-mail existe déjà.
refusal-user-unknown = Cette personne n’existe pas.
refusal-user-has-more-rights = Cette personne dispose d’autorisations que vous n’avez pas.
refusal-email-invalid = Saisissez une adresse e-mail valide.
refusal-email-reserved = Cette adresse e-mail ne peut pas être utilisée ici. Choisissez-en une autre ou contactez un opérateur.
refusal-user-elsewhere = Cette personne appartient déjà à un autre compte. Invitez-la à rejoindre celui-ci.
refusal-user-of-several-accounts = Cette personne appartient aussi à un autre compte. Elle peut réinitialiser son mot de passe par e-mail, si l’envoi d’e-mails est configuré. Pour le reste, contactez un opérateur.
refusal-user-account-required = Cette personne appartient à plusieurs comptes. Choisissez-en un.
refusal-invited-without-password = Cette personne n’a pas encore défini de mot de passe et ne pourrait pas accepter. Un administrateur de son compte ou un opérateur doit d’abord lui envoyer un nouveau lien.
refusal-user-would-be-deleted = Ce compte est le seul de cette personne : la retirer supprimerait ses identifiants. Rien n’a été modifié. Confirmez à nouveau.
refusal-user-gone = Cette personne a été retirée ou a quitté le compte. Rien n’a été modifié.
refusal-account-invitation-accepted = Cette personne a accepté l’invitation. Rien n’a été modifié.
refusal-account-invitation-declined = Cette personne a refusé l’invitation. Rien n’a été modifié.
refusal-account-invitation-withdrawn = L’invitation a été annulée, ou a pris fin lorsque son auteur ne pouvait plus inviter. Rien n’a été modifié.
refusal-account-invitation-replaced = Une invitation plus récente a remplacé celle-ci. Rien n’a été modifié.
refusal-account-invitation-expired = L’invitation a expiré. Rien n’a été modifié.
refusal-account-invitation-of-other = Cette invitation est destinée à une autre personne. Connectez-vous avec l’adresse e-mail qui a reçu l’invitation.
refusal-account-invitations-full = Il peut y avoir au plus { $limit } invitations en attente. Annulez-en une d’abord.
refusal-account-invitations-refused = Plus de { $limit } adresses n’ont pas pu être invitées en une heure. Réessayez plus tard.
refusal-account-limit = Vous pouvez appartenir à { $limit } comptes au maximum.
refusal-account-not-own = Vous n’appartenez pas à ce compte.
refusal-last-account = C’est votre seul compte. Un administrateur peut vous retirer.
refusal-last-open-account = Vos autres comptes sont fermés : vous ne pourriez plus vous connecter. Vous pourrez quitter ce compte lorsqu’un autre sera ouvert.
refusal-last-administrator = Vous êtes le seul administrateur de ce compte. Donnez d’abord ce rôle à une autre personne.
refusal-role-right-not-held = Ce rôle comporte l’autorisation { $right }, dont vous ne disposez pas.
refusal-operators-manage-operators = Seul un opérateur peut gérer les opérateurs.
refusal-operator-has-no-account = Un opérateur n’appartient à aucun compte. Retirez cette personne et créez-la à nouveau.
refusal-own-user = Vous ne pouvez pas effectuer cette action sur vous-même. Demandez à un autre administrateur.
refusal-invitation-invalid = Le lien a été utilisé ou remplacé, ou il a expiré.
refusal-too-many-failures = { $seconds ->
    [one] Trop de tentatives infructueuses. Réessayez dans { $seconds } seconde.
   *[other] Trop de tentatives infructueuses. Réessayez dans { $seconds } secondes.
}
refusal-sign-in-failed = Adresse e-mail ou mot de passe incorrect.
refusal-session-ended = Votre session a expiré. Reconnectez-vous.
refusal-wrong-current-password = Le mot de passe actuel est incorrect.
refusal-wrong-code = Le code est incorrect ou a déjà été utilisé.
refusal-second-factor-locked = Trop de codes incorrects. Utilisez un code de secours, ou demandez à un administrateur un lien pour définir un nouveau mot de passe.
refusal-second-factor-exists = La validation en deux étapes est déjà configurée.
refusal-enrolment-expired = Ce formulaire n’est plus à jour. Recommencez.
refusal-password-unchanged = C’est déjà votre mot de passe.
refusal-password-format = Un mot de passe doit comporter au moins 10 caractères, dont cinq différents, et au plus 1 024 octets, et ne pas être votre adresse e-mail.
refusal-password-personal = N’utilisez ni votre adresse e-mail ni le nom de ce service. Choisissez plusieurs mots sans lien entre eux.
refusal-password-common = Ce mot de passe ressemble à l’un des plus courants. Choisissez plusieurs mots sans lien entre eux.
refusal-password-keyboard = Les touches voisines du clavier sont faciles à deviner. Choisissez plusieurs mots sans lien entre eux.
refusal-password-repeated = Les caractères répétés sont faciles à deviner. Choisissez plusieurs mots différents.
refusal-password-sequence = Les suites telles que abc ou 1234 sont faciles à deviner. Choisissez plusieurs mots sans lien entre eux.
refusal-password-date = Les dates et les années sont faciles à deviner. Choisissez plusieurs mots sans lien entre eux.
refusal-password-guessable = Ce mot de passe est facile à deviner. Ajoutez un mot ou deux.
refusal-client-limit = { $limit ->
    [one] Ce compte est limité à une application. Demandez à un opérateur de relever la limite.
   *[other] Ce compte est limité à { $limit } applications. Demandez à un opérateur de relever la limite.
}
refusal-client-has-more-rights = Cette application dispose d’autorisations que vous n’avez pas.
refusal-client-disabled-by-operator = Un opérateur a désactivé cette application. Seul un opérateur peut la réactiver.
refusal-client-of-resource-server = Le serveur de ressources { $resource } utilise ce client pour l’introspection. Supprimez plutôt le serveur de ressources.
refusal-client-not-self-registered = Cette application ne s’est pas enregistrée elle-même : elle n’a pas de jeton d’accès d’enregistrement.
refusal-introspection-needs-operator = Seul un opérateur peut autoriser l’introspection des jetons.
refusal-introspected-resources-need-operator = Cette application peut introspecter des jetons : seul un opérateur peut lui attribuer d’autres serveurs de ressources.
refusal-jwks-invalid = Saisissez un JWK Set avec des clés publiques valides.
refusal-certificate-name-invalid = Saisissez un nom valide pour ce type de nom du certificat.
refusal-certificate-name-required = Saisissez le nom que le certificat client doit comporter.
refusal-certificate-required = Saisissez un JWK Set avec le certificat client dans x5c.
refusal-one-binding = Choisissez DPoP ou un certificat client, pas les deux.
refusal-jwks-required = Saisissez les clés publiques des assertions signées.
refusal-profile-auth-method = Le profil de sécurité { $profile } n’autorise pas la méthode d’authentification { $method }.
refusal-secret-limit = { $limit ->
    [one] Vous avez atteint la limite d’un secret. Supprimez-le d’abord.
   *[other] Vous avez atteint la limite de { $limit } secrets. Supprimez-en d’abord un.
}
refusal-secret-not-used = Cette application ne s’authentifie pas avec un secret client.
refusal-uses-required = Saisissez un nombre d’utilisations d’au moins un.
refusal-secret-unknown = Ce secret client n’existe pas. Il a été supprimé ou a expiré.
refusal-credential-required = Collez un jeton ou une clé d’API.
refusal-client-ip-invalid = Ce n’est pas une adresse IP. Saisissez par exemple 203.0.113.7.
refusal-api-key-unknown = Cette clé d’API n’existe pas. Elle a été révoquée ou a expiré.
refusal-api-key-profile = Cette application a le profil de sécurité { $profile }, qui n’autorise pas les clés d’API.
refusal-api-key-name-taken = Ce nom est déjà utilisé.
refusal-api-key-limit = { $limit ->
    [one] Vous avez atteint la limite d’une clé. Révoquez-la d’abord.
   *[other] Vous avez atteint la limite de { $limit } clés. Révoquez-en d’abord une.
}
refusal-api-key-scope = L’application n’a pas toute cette portée.
refusal-api-key-ip-ranges = Saisissez des adresses IP ou des plages telles que 203.0.113.0/24.
refusal-api-key-no-scope = Sélectionnez au moins une portée.
refusal-api-key-no-ip-ranges = Saisissez au moins une adresse IP ou une plage, ou autorisez toutes les adresses.
refusal-api-key-resources = L’application ne peut pas utiliser tous ces serveurs de ressources.
refusal-api-key-no-resources = Indiquez au moins un serveur de ressources, ou autorisez-les tous.
refusal-api-key-no-resource = Sélectionnez au moins un serveur de ressources.
refusal-api-key-resources-lost = L’application ne peut plus utiliser aucun des serveurs de ressources de cette clé d’API.
refusal-api-key-manages-none = Cette clé d’API ne peut pas gérer de clés.
refusal-api-key-already-rotated = Cette clé d’API a déjà été remplacée.
refusal-secrets-not-chosen = Sélectionnez au moins un secret.
refusal-clients-not-chosen = Sélectionnez au moins une application.
refusal-clients-too-many = Vous pouvez modifier jusqu’à { $max } applications à la fois.
refusal-api-keys-not-chosen = Sélectionnez au moins une clé d’API.
refusal-api-key-is-last = La dernière clé ne peut pas être révoquée. Remplacez-la plutôt. En cas de fuite, faites expirer immédiatement l’ancienne clé.
refusal-webhooks-full = Vous pouvez avoir au plus { $limit } webhooks. Supprimez-en un d’abord.
refusal-webhook-url = Saisissez une URL https.
refusal-webhook-description = Saisissez au plus { $limit } caractères, sans caractères invisibles.
refusal-webhook-no-events = Choisissez au moins un événement, ou tous les événements.
refusal-webhook-all-events = Choisissez tous les événements ou certains d’entre eux, mais pas les deux.
refusal-webhook-event = L’événement { $event } n’existe pas.
refusal-webhook-for-operators = Seul un opérateur peut avoir un webhook pour tous les comptes.
refusal-webhook-account-or-all = Choisissez un compte ou tous les comptes, mais pas les deux.
refusal-webhook-disabled-by-operator = Un opérateur a désactivé ce webhook. Seul un opérateur peut le réactiver ou le supprimer.
refusal-webhook-is-disabled = Ce webhook est désactivé. Activez-le d’abord.
refusal-webhook-is-full = Ce webhook a { $limit } envois en attente. Attendez qu’une partie ait été envoyée.
refusal-webhook-grace = Choisissez au plus 7 jours.
refusal-resource-server-exists = Ce nom est déjà utilisé.
refusal-resource-server-in-use = { $count ->
    [one] Une application utilise ce serveur de ressources. Retirez-le d’abord de l’application.
   *[other] { $count } applications utilisent ce serveur de ressources. Retirez-le d’abord de ces applications.
}
refusal-identifier-invalid = Saisissez un URI tel que https://orders.example/, sans fragment.
refusal-identifier-reserved = Cet URI appartient à Keyward. Indiquez l’URI de votre propre API.
refusal-resource-server-right = Les portées qui commencent par « keyward: » sont réservées. Renommez { $right }.

## Erreurs sans message propre, par code d’erreur

error-invalid-request = La requête n’est pas valide.
error-invalid-client = L’authentification a échoué.
error-invalid-grant = L’autorisation n’est pas valide.
error-unauthorized-client = L’application n’est pas autorisée à effectuer cette action.
error-unsupported-response-type = Ce type de réponse n’est pas pris en charge.
error-unsupported-grant-type = Ce type d’autorisation n’est pas pris en charge.
error-invalid-scope = La portée n’est pas valide.
error-invalid-target = Le serveur de ressources ne peut pas être utilisé.
error-invalid-dpop-proof = La preuve DPoP n’est pas valide.
error-use-dpop-nonce = La preuve DPoP doit contenir un nonce.
error-invalid-token = Le jeton n’est pas actif.
error-insufficient-scope = Votre rôle ne le permet pas.
error-invalid-client-metadata = Ces valeurs ne sont pas valides.
error-invalid-redirect-uri = L’URI de redirection n’est pas valide.
error-access-denied = Votre rôle ne le permet pas.
error-not-found = Introuvable.
error-method-not-allowed = Cette adresse ne peut pas être ouverte directement.
error-conflict = Conflit avec des données existantes.
error-precondition-failed = Une autre personne a modifié ces données entre-temps.
error-idempotency-key-reused = Ce formulaire a déjà été envoyé avec d’autres valeurs.
error-temporarily-unavailable = Le service est temporairement indisponible.
error-server-error = Une erreur s’est produite.

## Pourquoi une authentification a échoué

reason-no-authentication = pas d’authentification du client dans la requête
reason-unreadable-authorization = en-tête Authorization non valide
reason-secret-without-client = client_secret sans client_id
reason-unknown-client = client inconnu
reason-account-closed = le compte est fermé
reason-client-disabled = l’application est désactivée
reason-wrong-method = l’application est enregistrée avec { $method }
reason-not-a-secret = secret client non valide
reason-no-such-secret = secret { $id } inconnu : supprimé, ou d’une autre application
reason-wrong-secret = secret incorrect pour l’identifiant { $id }
reason-secret-ended = le secret { $id } a expiré { $at }
reason-assertion-not-a-jwt = l’assertion n’est pas un JWT
reason-assertion-wrong-type = le type (typ) de l’assertion est celui d’un JWT destiné à un autre usage
reason-assertion-algorithm = l’algorithme de signature de l’assertion n’est pas accepté
reason-assertion-critical-header = l’assertion comporte un en-tête critique non pris en charge
reason-assertion-no-keys = l’application n’a pas de clés
reason-assertion-keys-unreadable = les clés de l’application ne sont pas valides
reason-assertion-keys-unreachable = les clés de l’application ne peuvent pas être récupérées
reason-assertion-no-usable-key = aucune clé de l’application ne permet de vérifier une assertion
reason-assertion-no-fitting-key = aucune clé de l’application ne correspond à l’assertion
reason-assertion-wrong-signature = la signature de l’assertion n’est pas valide
reason-assertion-unreadable = l’assertion ne peut pas être analysée
reason-assertion-wrong-client = iss et sub de l’assertion doivent être l’ID client
reason-assertion-wrong-audience = aud de l’assertion est { $aud } ; ce doit être l’émetteur
reason-assertion-for-token-endpoint = aud de l’assertion est le point de terminaison des jetons et non l’émetteur ; utilisez l’émetteur, ou demandez à un opérateur d’activer assertion_for_token_endpoint
reason-assertion-ended = { $seconds ->
    [one] l’assertion a expiré il y a { $seconds } seconde
   *[other] l’assertion a expiré il y a { $seconds } secondes
}
reason-assertion-too-long = l’assertion expire dans { $seconds } secondes ; le maximum est { $most }
reason-assertion-not-begun = { $seconds ->
    [one] l’assertion ne sera valide que dans { $seconds } seconde
   *[other] l’assertion ne sera valide que dans { $seconds } secondes
}
reason-assertion-used = l’assertion a déjà été utilisée
reason-profile-secret = le profil de sécurité { $profile } n’autorise pas de secret client
reason-profile-api-key = le profil de sécurité { $profile } n’autorise pas les clés d’API
reason-profile-workload = le profil de sécurité { $profile } n’autorise pas le jeton d’un autre émetteur à la place de la clé de l’application
reason-profile-algorithm = le profil de sécurité { $profile } n’autorise pas une assertion signée avec { $algorithm }
reason-profile-audience = l’audience de l’assertion est { $aud }, et le profil de sécurité { $profile } exige l’émetteur sous forme de chaîne
reason-profile-unbound = le profil de sécurité { $profile } exige un jeton lié à une clé, et la requête n’a ni preuve DPoP ni certificat client
reason-certificate-missing = pas de certificat client dans la requête
reason-certificate-unreadable = le certificat client est illisible : { $detail }
reason-certificate-ended = le certificat client a expiré { $at }
reason-certificate-not-begun = le certificat client n’est pas valide avant { $at }
reason-certificate-no-authorities = aucune autorité de certification n’est configurée pour les certificats clients
reason-certificate-of-authority = le certificat client est celui d’une autorité de certification
reason-certificate-unknown-authority = le certificat client n’est pas émis par une autorité de certification de confiance
reason-certificate-chain-ended = un certificat intermédiaire a expiré
reason-certificate-chain-not-begun = un certificat intermédiaire n’est pas encore valide
reason-certificate-wrong-purpose = le certificat client n’est pas destiné à l’authentification des clients
reason-certificate-not-valid = le certificat client n’est pas valide : { $detail }
reason-certificate-no-name = le client est enregistré sans nom de certificat
reason-certificate-wrong-name = le certificat client ne comporte pas le nom enregistré, { $kind } { $name }
reason-certificate-not-registered = le certificat client d’empreinte SHA-256 { $thumbprint } n’est pas enregistré
reason-certificate-with-proof = une preuve DPoP a été envoyée, bien que le client soit enregistré pour des jetons liés à un certificat
reason-token-without-certificate = présenté sans certificat client, bien que le jeton y soit lié
reason-token-wrong-certificate = présenté avec un autre certificat client que celui auquel le jeton est lié
reason-trust-own-issuer = un jeton de ce service a été présenté comme assertion
reason-trust-token-type = un JWT du type { $typ } a été présenté comme assertion
reason-trust-no-issuer = le JWT n’a pas d’émetteur
reason-trust-issuer-unknown = il n’y a pas de règle de confiance pour l’émetteur { $issuer }
reason-trust-no-rule-matches = aucune des règles de confiance pour l’émetteur { $issuer } ne correspond
reason-trust-rule-ambiguous = des règles de confiance de plusieurs applications correspondent ; la requête doit contenir client_id
reason-trust-condition-unmet = le JWT ou le certificat ne remplit pas la condition { $condition } de la règle de confiance { $rule }
reason-trust-rule-disabled = la règle de confiance { $rule } est désactivée
reason-trust-rule-ended = la règle de confiance { $rule } a expiré { $at }
reason-trust-wrong-audience = aud du JWT est { $aud } ; la règle de confiance { $rule } exige { $expected } seul
reason-trust-token-ended = le JWT pour la règle de confiance { $rule } a expiré il y a { $seconds } s
reason-trust-token-too-long = le JWT pour la règle de confiance { $rule } expire dans { $seconds } s ; le maximum est { $most } s
reason-trust-token-not-begun = le JWT pour la règle de confiance { $rule } ne sera valide que dans { $seconds } s
reason-trust-keys-unreachable = les clés de l’émetteur pour la règle de confiance { $rule } ne peuvent pas être récupérées
reason-trust-keys-unusable = aucune clé de l’émetteur pour la règle de confiance { $rule } ne permet de vérifier le JWT
reason-trust-no-fitting-key = aucune clé de l’émetteur pour la règle de confiance { $rule } ne correspond au JWT
reason-trust-wrong-signature = la signature du JWT pour la règle de confiance { $rule } n’est pas valide
reason-trust-token-used = le JWT pour la règle de confiance { $rule } a déjà été utilisé
reason-svid-uri-names = le certificat client a { $count } URI parmi ses noms ; un X.509-SVID en a exactement un
reason-svid-not-a-spiffe-id = l’URI { $uri } du certificat client n’est pas un ID SPIFFE : { $detail }
reason-svid-key-usage = l’usage de clé du certificat client n’est pas celui d’un X.509-SVID : { $detail }
reason-svid-wrong-client-id = client_id est { $given }, mais l’ID SPIFFE du certificat client est { $expected }
reason-svid-no-rule = il n’y a pas de règle de confiance pour les X.509-SVID de { $domain }
reason-svid-no-authorities = le bundle de la règle de confiance { $rule } n’a pas d’autorité de certification pour les X.509-SVID : { $detail }
reason-svid-unknown-authority = le certificat client n’est pas émis par une autorité de certification du bundle de la règle de confiance { $rule }
reason-id-jag-claim-missing = l’assertion d’identité (ID-JAG) n’a pas de { $claim }
reason-id-jag-claim-unsupported = la revendication { $claim } de l’assertion d’identité (ID-JAG) n’est pas prise en charge
reason-id-jag-wrong-client = client_id de l’assertion d’identité (ID-JAG) est { $client }, et non l’application de la règle de confiance { $rule }
reason-id-jag-wrong-key = l’assertion d’identité (ID-JAG) est liée à une clé, et la requête ne prouve pas sa possession
reason-no-initial-token = pas de jeton d’accès initial
reason-unknown-initial-token = jeton d’accès initial inconnu
reason-wrong-initial-token = jeton d’accès initial incorrect
reason-initial-token-ended = le jeton d’accès initial a expiré
reason-initial-token-used-up = le jeton d’accès initial est épuisé
reason-no-registration-token = pas de jeton d’accès d’enregistrement
reason-wrong-registration-token = jeton d’accès d’enregistrement incorrect
reason-not-registered-by-itself = application inconnue, ou qui n’a pas été enregistrée dynamiquement
reason-token-too-long = le jeton est trop long
reason-not-a-token = ce n’est pas un JWT
reason-token-header-unreadable = l’en-tête du jeton ne peut pas être analysé
reason-token-wrong-type = le type du jeton n’est ni at+jwt ni JWT
reason-token-critical-header = le jeton comporte un en-tête critique non pris en charge
reason-token-unknown-key = le jeton a été signé avec une clé inconnue
reason-token-signing-key-retired = la clé de signature du jeton est retirée
reason-token-wrong-algorithm = l’algorithme du jeton ne correspond pas à sa clé
reason-token-signature-unreadable = la signature du jeton ne peut pas être analysée
reason-token-wrong-signature = la signature du jeton n’est pas valide
reason-token-claims-unreadable = les revendications du jeton ne peuvent pas être analysées
reason-token-of-another-issuer = le jeton provient d’un autre émetteur
reason-token-ended = le jeton a expiré
reason-token-ended-by-later-clock = le jeton a expiré ; l’horloge du serveur retarde de plus d’un jour
reason-token-revoked = le jeton a été révoqué
reason-all-tokens-revoked = tous les jetons de l’application ont été révoqués
reason-token-api-key-ended = la clé d’API échangée contre ce jeton n’est plus active
reason-token-without-record = aucun enregistrement de ce jeton
reason-token-without-proof = présenté comme jeton Bearer, alors qu’il est lié à une clé
reason-token-not-bound = présenté avec une preuve DPoP, alors qu’il n’est lié à aucune clé
reason-dpop-missing = pas de preuve DPoP dans la requête
reason-dpop-header = l’en-tête DPoP a été envoyé plusieurs fois, ou n’est pas du texte
reason-dpop-not-a-jwt = la preuve DPoP n’est pas un JWT
reason-dpop-wrong-type = le type de la preuve DPoP n’est pas dpop+jwt
reason-dpop-algorithm = l’algorithme de signature de la preuve DPoP n’est pas accepté ; utilisez ES256, PS256 ou Ed25519
reason-dpop-critical-header = la preuve DPoP comporte un en-tête critique non pris en charge
reason-dpop-unusable-key = la clé de la preuve DPoP ne peut pas être utilisée : { $detail }
reason-dpop-wrong-signature = la signature de la preuve DPoP n’est pas valide
reason-dpop-unreadable = la preuve DPoP ne peut pas être analysée : { $detail }
reason-dpop-wrong-method = htm de la preuve DPoP est { $given } ; la méthode était { $expected }
reason-dpop-wrong-url = htu de la preuve DPoP est { $given } ; l’URL était { $expected }
reason-dpop-unknown-request = la preuve DPoP ne peut pas être vérifiée, car le proxy n’indique pas la requête concernée : { $missing }
reason-dpop-wrong-time = iat de la preuve DPoP retarde de { $seconds } s sur l’heure du serveur
reason-dpop-wrong-access-token = ath de la preuve DPoP n’est pas le condensat du jeton d’accès
reason-dpop-wrong-key = la preuve DPoP a été signée avec une autre clé que celle à laquelle le jeton est lié
reason-dpop-nonce = la preuve DPoP n’a pas de nonce valide
reason-dpop-used = la preuve DPoP a déjà été utilisée
reason-not-a-key = clé d’API non valide
reason-no-such-key = clé d’API inconnue
reason-key-revoked = la clé d’API { $name } a été révoquée
reason-wrong-key = clé d’API incorrecte
reason-key-ended = la clé d’API a expiré
reason-address-not-allowed = présentée depuis une adresse IP non autorisée
reason-scope-malformed = portée mal formée
reason-scope-not-allowed = portée demandée non autorisée : { $scope }
reason-resource-not-allowed = serveur de ressources demandé non autorisé : { $resource }
reason-key-scope-not-allowed = portée demandée non autorisée pour la clé d’API, mais seulement pour son application : { $scope }
reason-key-resource-not-allowed = serveur de ressources demandé non autorisé pour la clé d’API, mais seulement pour son application : { $resource }
reason-grant-type-not-allowed = type d’autorisation demandé non autorisé : { $grant_type }
reason-insufficient-scope = la requête nécessite la portée { $scope }
reason-wrong-resource-server = présenté à { $resource }, qui ne fait pas partie de l’audience
reason-wrong-password = adresse e-mail ou mot de passe incorrect
reason-wrong-current-password = mot de passe actuel incorrect
reason-wrong-second-factor = code de validation incorrect
reason-second-factor-locked = validation en deux étapes bloquée après trop de codes incorrects
reason-failures-left-out = { $count } autres échecs d’appelants inconnus n’ont pas été enregistrés
reason-owner-deleted = l’application a été supprimée
reason-owner-disabled = l’application est désactivée
reason-not-for-caller = l’appelant ne fait pas partie de l’audience

# L’état de l’installation.
menu-status = État
column-node = Nœud
column-started = Démarré
column-seen = Vu
column-clock = Horloge
column-certificate = Expiration du certificat
column-next-rotation = Prochaine rotation
column-job = Tâche
column-last-run = Dernière exécution
column-last-success = Dernier succès
column-last-error = Dernière erreur
status-good = Tout fonctionne
status-nodes = Nœuds
status-jobs = Tâches de fond
status-version = Version
status-time = Heure
status-database = Base de données
status-size = { $size } Mio
status-migrations = { $count } migrations, la dernière { $newest }
status-up = En service
status-missing = Absent
status-leader = Leader
status-clock = { $millis } ms
status-problem-no-node = Aucun nœud ne s’est signalé ces dernières minutes.
status-problem-node-missing = { $subject } ne s’est pas signalé ces dernières minutes.
status-problem-versions-differ = Les nœuds ont des versions différentes : { $subject }.
status-problem-clock = Les horloges ne concordent pas sur { $subject }.
status-problem-job-fails = Une tâche de fond échoue sur { $subject }.
status-problem-certificate-expires = Le certificat TLS de { $subject } expire dans moins de deux semaines, ou a expiré.
status-problem-no-signing-key = Il n’y a pas de clé de signature pour { $subject }.

## Utilisation des applications et des identifiants

usage = Utilisation
usage-by-hour = Dernières 24 heures
usage-by-day = 90 derniers jours
export-csv = Exporter en CSV
uses = Requêtes
chart-by-day = Requêtes par jour
chart-by-day-failures = Échecs par jour
used-from = Origine des requêtes
used-from-text = Les dix dernières adresses IP et programmes. Les introspections n’y figurent pas : elles n’indiquent pas d’où vient une requête.
used-from-none = Aucune utilisation
used-from-none-text = Vous verrez ici les adresses IP et les programmes qui l’utilisent.
column-user-agent = Programme
column-first-seen = Première requête
column-requests = Requêtes
any-address = Toutes les adresses
unused = Inutilisé
unused-hint = Ce qui est marqué comme inutilisé n’a pas servi depuis 90 jours. Révoquez-le ou supprimez-le s’il n’est plus nécessaire.
try-key = Tester un jeton ou une clé d’API
try-out = Tester
try-text = Découvrez ce que répondraient /verify et l’introspection, et pourquoi. Le test ne compte pas comme une utilisation, et rien n’est enregistré.
field-credential = Jeton ou clé d’API
help-credential = L’identifiant doit appartenir à l’une de vos applications. Il n’est plus affiché ensuite.
field-resource-server = Serveur de ressources
help-try-resource-server = L’identifiant de l’API à laquelle il est envoyé. S’il manque, /verify accepte tous ses serveurs de ressources.
help-try-scope = Ce que l’API exige pour la requête.
field-client-ip = Adresse IP
help-try-client-ip = L’adresse d’où vient la requête. Si elle manque, les adresses IP autorisées ne sont pas vérifiées.
try-introspection = Introspection
try-response = Réponse
try-inactive = Inactif
try-asked-by = Demandée par { $resource }
try-no-audience = L’application n’a plus accès à aucun des serveurs de ressources de cette clé ou de ce jeton.
try-no-caller = Aucun serveur de ressources ne peut en demander l’introspection : il n’est destiné à aucun, ou celui que vous avez saisi n’existe pas.

## Unused credentials, announcements, deletion of accounts

unused-credentials = Identifiants inutilisés
unused-text = Clés d’API et secrets client actifs qui n’ont pas servi depuis 90 jours. Révoquez ou supprimez ceux qui ne sont plus nécessaires.
unused-none = Aucun identifiant inutilisé
unused-none-text = Chaque clé d’API et chaque secret client actif a été créé ou utilisé au cours des 90 derniers jours.
unused-all = Afficher tous les identifiants inutilisés
column-credential = Identifiant
status-unused = { $keys ->
    [one] { $keys } clé d’API
   *[other] { $keys } clés d’API
}, { $secrets ->
    [one] { $secrets } secret client
   *[other] { $secrets } secrets client
}
menu-announcements = Annonces
announcements-text = Informez les utilisateurs du portail, par exemple d’une maintenance. Ils voient une annonce en haut de chaque page jusqu’à sa fin ou jusqu’à ce qu’ils la masquent.
announcements-none = Aucune annonce
announcements-none-text = Les annonces que vous créez apparaissent ici.
announcement-new = Nouvelle annonce
announcement-create = Créer l’annonce
announcement-edit = Modifier l’annonce
announcement-edit-text = Si vous modifiez le texte ou la gravité, l’annonce s’affiche de nouveau pour les utilisateurs qui l’ont masquée.
announcement-delete = Supprimer l’annonce
announcement-delete-text = Les utilisateurs ne la voient plus. Cette action est irréversible.
announcement-ended = Terminée
announcement-planned = Planifiée
announcement-shown = Affichée
severity-info = Information
severity-warning = Avertissement
severity-critical = Important
dismiss = Masquer
field-severity = Gravité
field-text-en = Texte en anglais
field-text-fr = Texte en français
field-starts-at = Début
field-ends-at = Fin
help-announcement-text = Une ligne de texte brut, de 500 caractères au maximum.
help-announcement-start = Si le champ est vide, l’annonce s’affiche dès maintenant.
help-announcement-time = Une date telle que 2026-11-21, ou une heure telle que 2026-11-21T20:00:00Z. Les dates sont en UTC.
column-text = Texte
column-from = Début
column-until = Fin
done-announcement-created = Annonce créée.
done-announcement-deleted = Annonce supprimée.
action-announcement-create = Annonce créée
action-announcement-delete = Annonce supprimée
action-announcement-dismiss = Annonce masquée
action-announcement-update = Annonce modifiée
refusal-announcement-length = Saisissez de 1 à { $limit } caractères.
refusal-announcement-characters = Saisissez une seule ligne de texte brut.
refusal-announcement-time = Saisissez une date telle que 2026-11-21 ou une heure telle que 2026-11-21T20:00:00Z.
refusal-announcement-period = L’annonce doit se terminer après son début et à une date future.
refusal-announcement-too-far = L’annonce doit commencer dans les { $days } jours.
refusal-announcement-too-long = L’annonce peut s’afficher pendant { $days } jours au maximum.
refusal-announcement-limit = Il y a déjà { $limit } annonces non terminées. Supprimez-en une d’abord.
account-deleting = Suppression en cours
account-deleting-text = Ce compte et tout ce qu’il contient sont en cours de suppression. Le journal d’audit est conservé.
account-delete = Supprimer le compte
account-delete-title = Supprimer { $name }
account-delete-text = Supprime le compte avec ses applications, ses clés, ses secrets, ses utilisateurs et ses webhooks. Le journal d’audit est conservé. Cette action est irréversible.
help-account-delete-name = Saisissez le nom du compte pour confirmer.
done-account-deleting = Le compte est en cours de suppression.
action-account-delete = Suppression du compte lancée
action-account-deleted = Compte supprimé
refusal-account-not-closed = Seul un compte fermé peut être supprimé. Fermez-le d’abord.
refusal-account-name-differs = Ce n’est pas le nom du compte.
refusal-account-being-deleted = Le compte est en cours de suppression. Vous ne pouvez plus le rouvrir.

## E-mail

mails = E-mails
mails-text = Les e-mails envoyés et à envoyer. Le texte d’un message n’est pas conservé.
mails-off = Aucun e-mail n’est envoyé : aucun serveur SMTP n’est configuré. Transmettez vous-même les liens de définition de mot de passe.
mails-none = Aucun e-mail
mails-none-text = Les invitations, les réinitialisations de mot de passe et les notifications apparaîtront ici.
mail-send-test = Envoyer un e-mail de test
mail-refused = Refusé : { $code }
mail-failure-status = Refusé par le serveur
mail-failure-timeout = Délai dépassé
mail-failure-address = Hôte inconnu ou adresse inutilisable
mail-failure-connection = Échec de la connexion
mail-failure-tls = Certificat TLS non accepté
mail-failure-protocol = Réponse invalide
mail-failure-secret = Impossible de déchiffrer le lien
mail-failure-redirect = Réponse invalide
done-mail-tested = L’e-mail de test est en route. Rechargez cette page pour voir le résultat.
status-mail-on = Activés
status-mail-off = Désactivés
status-mail-show = Afficher les e-mails
status-problem-mail-fails = Les e-mails ne sont pas envoyés.
mail-fact = { $label } : { $value }
mail-actor = Par
mail-time = Date
mail-browser = Navigateur
mail-address = Adresse IP
mail-expires = Expiration
mail-notices = Vous pouvez désactiver ces notifications dans votre profil :
mail-notices-off = Notifications par e-mail désactivées
mail-test = E-mail de test de Keyward
mail-test-text = L’envoi d’e-mails par Keyward fonctionne.
mail-invitation = Votre invitation à Keyward
mail-invitation-text = Vous avez reçu une invitation à rejoindre le compte « { $account } ». Ouvrez ce lien pour définir votre mot de passe :
mail-invitation-unnamed = Vous avez reçu une invitation à rejoindre un compte. Ouvrez ce lien pour définir votre mot de passe :
mail-invitation-operator = Vous avez reçu une invitation avec le rôle Opérateur. Ouvrez ce lien pour définir votre mot de passe :
mail-invitation-until = Le lien fonctionne une seule fois, jusqu’au { $until }.
mail-invitation-ignore = Si vous n’attendiez pas cette invitation, ignorez cet e-mail.
mail-account-invitation = Votre invitation à rejoindre un autre compte
mail-account-invitation-text = Vous avez reçu une invitation à utiliser le compte « { $account } » avec vos identifiants. Ouvrez ce lien pour accepter ou refuser :
mail-account-invitation-unnamed = Vous avez reçu une invitation à utiliser un autre compte avec vos identifiants. Ouvrez ce lien pour accepter ou refuser :
mail-password-reset = Réinitialisez votre mot de passe
mail-password-reset-text = Quelqu’un a demandé à réinitialiser votre mot de passe. Ouvrez ce lien pour en définir un nouveau :
mail-password-reset-until = Le lien fonctionne une seule fois, jusqu’au { $until }.
mail-password-reset-ignore = Si ce n’était pas vous, ignorez cet e-mail : votre mot de passe reste le même.
mail-sign-in = Nouvelle connexion à votre compte
mail-sign-in-text = Quelqu’un s’est connecté à votre compte avec un navigateur que nous ne reconnaissons pas.
mail-sign-in-advice = Si ce n’était pas vous, changez votre mot de passe et fermez la session :
mail-own-advice = Si ce n’était pas vous, demandez de l’aide à votre administrateur et vérifiez vos sessions :
mail-expiry-advice = Créez un nouvel identifiant et remplacez-le dans votre application avant l’expiration :
mail-credential-advice = Si personne dans votre équipe n’est à l’origine de cette action, consultez le journal d’audit :
mail-key-advice = Si aucun opérateur n’est à l’origine de cette action, vérifiez les clés de signature :

## Password reset

forgot = Mot de passe oublié ?
forgot-text = Saisissez l’adresse e-mail avec laquelle vous vous connectez. Nous vous enverrons un lien pour définir un nouveau mot de passe.
forgot-send = Envoyer le lien
forgot-again = Demander un nouveau lien
forgot-sent = Consultez vos e-mails
forgot-sent-text = Si un compte utilise cette adresse, nous y avons envoyé un lien. Il fonctionne une seule fois et expire dans une heure. Si rien n’arrive, vérifiez vos courriers indésirables ou demandez à votre administrateur.
forgot-ask = Demandez à votre administrateur un lien pour définir un nouveau mot de passe.
to-sign-in = Retour à la connexion
reset = Définissez un nouveau mot de passe
reset-text = Toutes vos sessions seront fermées. Si vous utilisez la validation en deux étapes, un code reste nécessaire pour vous connecter.
reset-gone-text = Le lien a été utilisé, il a expiré, ou votre mot de passe a été changé depuis.
field-to = Destinataire
field-email-notices = Notifications par e-mail
help-email-notices = Au sujet des secrets et des clés d’API créés, remplacés, révoqués ou bientôt expirés, et des connexions avec un nouveau navigateur.
link-mailed-text = Nous avons envoyé ce lien à { $email }. Vous pouvez aussi le transmettre par un canal que personne d’autre ne peut lire.
column-reply = Dernière réponse
action-mail-test = E-mail de test envoyé
action-user-request-password-reset = Réinitialisation du mot de passe demandée
action-user-reset-password = Mot de passe réinitialisé par e-mail
refusal-mail-is-off = Aucun e-mail n’est envoyé : aucun serveur SMTP n’est configuré.
refusal-mail-is-full = Trop d’e-mails sont en attente. Patientez jusqu’à ce qu’une partie soit envoyée.
